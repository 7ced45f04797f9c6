"""jinja2 as transformers configures it, and the conversations that templates
are compared on. Needs jinja2 3.1.6 (requirements.txt)."""

import datetime
import json

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2025, 7, 4, 9, 8, 7)


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    class Dict:
        def __call__(self, *args, **kwargs):
            return dict(*args, **kwargs)

        def fromkeys(self, *args, **kwargs):
            return dict.fromkeys(*args, **kwargs)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda form: NOW.strftime(form)
    env.globals["dict"] = Dict()
    return env


def render(env, source, context):
    """(text, None) or (None, error)."""
    try:
        return env.from_string(source).render(**context), None
    except Exception as e:  # a template may fail in any way
        return None, f"{type(e).__name__}: {e}"


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather at a place, in °C or °F <b>now</b> & 'later'.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "City, e.g. \"Zürich\""},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "default": 1, "maximum": 14},
                "detail": {"type": ["number", "null"], "default": 0.5},
            },
            "required": ["place"],
        },
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds two numbers",
        "parameters": {
            "type": "object",
            "properties": {"b": {"type": "number"}, "a": {"type": "number"}, "all": {"type": "array", "items": {"type": "number"}}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


def call(name, arguments, ident):
    return {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}


def conversations():
    """name -> context, as transformers' apply_chat_template passes it."""
    user = {"role": "user", "content": "Hello <you> & 'me': 你好 🙂"}
    base = {"tools": None, "documents": None, "add_generation_prompt": True, "bos_token": "<bos>", "eos_token": "<eos>"}
    multi = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "What is 2 + 2?"},
        {"role": "assistant", "content": "<think>\nEasy.\n</think>\n\n4"},
        {"role": "user", "content": "  And 3 + 3?\n"},
    ]
    tools = [WEATHER, ADD]
    ask = {"role": "user", "content": "Weather in Zürich and Oslo?"}
    calls = [call("get_weather", {"place": "Zürich", "days": 2}, "call00001"), call("get_weather", {"unit": "celsius", "place": "Oslo"}, "call00002")]
    results = [
        {"role": "tool", "tool_call_id": "call00001", "name": "get_weather", "content": '{"temperature": 21.5}'},
        {"role": "tool", "tool_call_id": "call00002", "name": "get_weather", "content": '{"temperature": 9}'},
    ]
    used = [ask, {"role": "assistant", "content": "", "tool_calls": calls}] + results
    out = {
        "basic": {"messages": [user]},
        "system": {"messages": multi},
        "noprompt": {"messages": multi + [{"role": "assistant", "content": "6"}], "add_generation_prompt": False},
        "tools": {"messages": [{"role": "system", "content": "Be brief."}, ask], "tools": tools},
        "toolcall": {"messages": used, "tools": tools},
        "nothink": {"messages": [user], "enable_thinking": False},
    }
    return {name: {**base, **c} for name, c in out.items()}


def more_conversations():
    """Further shapes, for the comparison of many templates."""
    base = conversations()["toolcall"]
    ask, assistant, first, second = base["messages"]

    def with_calls(change):
        return {**assistant, "tool_calls": [change(c) for c in assistant["tool_calls"]]}

    def stringly(c):
        return {**c, "function": {**c["function"], "arguments": json.dumps(c["function"]["arguments"])}}

    one = {**assistant, "content": None, "tool_calls": assistant["tool_calls"][:1]}
    parts = [{"type": "text", "text": "Look at "}, {"type": "text", "text": "this."}]
    plain = {**base, "tools": None}
    end = {"role": "assistant", "content": "Zürich: 21.5", "reasoning_content": "They want both.", "thinking": "They want both."}
    return {
        "stringargs": {**base, "messages": [ask, with_calls(stringly), first, second]},
        "nullcontent": {**base, "messages": [ask, one, first]},
        "reasoning": {**base, "messages": [ask, one, first, {**end, "role": "assistant"}, {"role": "user", "content": "Thanks"}]},
        "parts": {**plain, "messages": [{"role": "user", "content": parts}]},
        "developer": {**plain, "messages": [{"role": "developer", "content": "Be kind."}, ask]},
        "documents": {**plain, "messages": [ask], "documents": [{"title": "A", "text": "Oslo is cold."}]},
        "unfinished": {**plain, "messages": [ask, end], "add_generation_prompt": False},
        "bad": {**plain, "messages": [{"role": "assistant", "content": "I begin"}, {"role": "other", "content": "?"}]},
    }
