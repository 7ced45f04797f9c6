"""clients.py SOCKET CLIENT: what a Python package does with the daemon on a Unix socket.

Prints one line of JSON for every feature: {"feature": …, "error": ""}. CLIENT is openai, ollama or anthropic.
"""

import asyncio
import json
import sys

MODEL = "embedded"
ASK = [{"role": "user", "content": "Once upon a time"}]
SCHEMA = {"type": "object", "properties": {"name": {"enum": ["Tom", "Lily"]}, "age": {"type": "integer", "minimum": 1, "maximum": 9}},
          "required": ["name", "age"], "additionalProperties": False}


def function(name="get_age"):
    return {"name": name, "description": "how old", "parameters": SCHEMA}


def check(value):
    """A value of SCHEMA, given as an object or as text."""
    value = json.loads(value) if isinstance(value, str) else value
    assert value["name"] in ("Tom", "Lily") and 1 <= value["age"] <= 9 and len(value) == 2, value


def refused(call, kind, *words):
    try:
        call()
    except kind as e:
        assert all(w in str(e) for w in words), str(e)
        return
    raise AssertionError("was not refused")


def openai_checks(socket):
    import httpx2
    import openai

    c = openai.OpenAI(base_url="http://qwqd/v1", api_key="none", max_retries=0,
                      http_client=openai.DefaultHttpxClient(transport=httpx2.HTTPTransport(uds=socket)))

    def chat(**more):
        return c.chat.completions.create(model=MODEL, messages=ASK, seed=5, **more)

    def models():
        assert MODEL in [m.id for m in c.models.list()] and c.models.retrieve(MODEL).id == MODEL

    def whole():
        a = chat(max_tokens=16)
        assert a.choices[0].message.content and a.usage.completion_tokens == 16 and a.choices[0].finish_reason == "length"

    def stream():
        parts = list(chat(max_tokens=16, stream=True, stream_options={"include_usage": True}))
        text = "".join(p.choices[0].delta.content or "" for p in parts if p.choices)
        assert text == chat(max_tokens=16).choices[0].message.content and parts[-1].usage.completion_tokens == 16

    def several():
        a = chat(max_tokens=8, n=3, logprobs=True, top_logprobs=2, temperature=2, top_p=1)
        assert len({x.message.content for x in a.choices}) == 3
        assert all(len(x.logprobs.content) == 8 and len(x.logprobs.content[0].top_logprobs) == 2 for x in a.choices)

    def bias():
        a = chat(max_tokens=5, temperature=0, logit_bias={"300": 100})
        b = chat(max_tokens=5, temperature=0)
        assert a.choices[0].message.content != b.choices[0].message.content

    def stop():
        text = chat(max_tokens=30).choices[0].message.content
        word = text.split()[3]
        a = chat(max_tokens=30, stop=[word])
        assert word not in a.choices[0].message.content and a.choices[0].finish_reason == "stop"

    def schema():
        form = {"type": "json_schema", "json_schema": {"name": "who", "schema": SCHEMA, "strict": True}}
        check(chat(max_tokens=100, response_format=form).choices[0].message.content)
        a = chat(max_tokens=100, response_format={"type": "json_object"}).choices[0]
        assert a.message.content.startswith("{") and (a.finish_reason == "length" or json.loads(a.message.content) is not None)

    def tools():
        t = [{"type": "function", "function": function()}]
        a = chat(tools=t, tool_choice="required", parallel_tool_calls=False, max_tokens=100).choices[0]
        check(a.message.tool_calls[0].function.arguments)
        assert a.finish_reason == "tool_calls" and a.message.tool_calls[0].function.name == "get_age"
        b = c.chat.completions.create(model=MODEL, max_tokens=5, tools=t, messages=ASK + [
            a.message, {"role": "tool", "tool_call_id": a.message.tool_calls[0].id, "content": "5"}])
        assert b.choices[0].message is not None

    def tool_stream():
        name, args = "", ""
        with c.chat.completions.stream(model=MODEL, messages=ASK, seed=5, max_tokens=100, parallel_tool_calls=False, tool_choice="required",
                                       tools=[{"type": "function", "function": {**function(), "strict": True}}]) as s:
            for e in s:
                if e.type == "tool_calls.function.arguments.done":
                    name, args = e.name, e.arguments
        assert name == "get_age"
        check(args)

    def completions():
        a = c.completions.create(model=MODEL, prompt=["Once", "The dog"], max_tokens=8, seed=1, logprobs=1, echo=True)
        assert len(a.choices) == 2 and a.choices[1].text.startswith("The dog")
        refused(lambda: c.completions.create(model=MODEL, prompt="a", suffix="b"), openai.BadRequestError, "fill in the middle")

    def embeddings():
        a = c.embeddings.create(model=MODEL, input=["The dog", "The cat"])  # asks for base64
        b = c.embeddings.create(model=MODEL, input="The cat", encoding_format="float")
        assert len(a.data) == 2 and max(abs(x - y) for x, y in zip(a.data[1].embedding, b.data[0].embedding)) < 1e-6

    def responses():
        a = c.responses.create(model=MODEL, instructions="Be kind.", input="Once upon a time", max_output_tokens=16)
        assert a.output_text and a.status == "incomplete" and a.usage.output_tokens == 16
        with c.responses.stream(model=MODEL, input=ASK, max_output_tokens=16) as s:
            events = list(s)
        text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        assert text and text == events[-1].response.output_text
        refused(lambda: c.responses.create(model=MODEL, input="a", previous_response_id="resp_1"), openai.BadRequestError, "not stored")

    def response_tools():
        t = [{"type": "function", "strict": True, **function()}]
        a = c.responses.create(model=MODEL, input="Once", tools=t, tool_choice={"type": "function", "name": "get_age"}, parallel_tool_calls=False)
        call = a.output[0]
        assert call.type == "function_call" and call.name == "get_age"
        check(call.arguments)
        b = c.responses.create(model=MODEL, max_output_tokens=5, tools=t, input=[
            {"role": "user", "content": "Once"}, call, {"type": "function_call_output", "call_id": call.call_id, "output": "5"}])
        assert b.status in ("incomplete", "completed")
        p = c.responses.create(model=MODEL, input="Once", text={"format": {"type": "json_schema", "name": "who", "schema": SCHEMA, "strict": True}})
        check(p.output_text)

    def errors():
        refused(lambda: c.chat.completions.create(model="none", messages=ASK), openai.NotFoundError, "no model")
        refused(lambda: chat(temperature=9), openai.BadRequestError, "temperature")
        refused(lambda: c.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]), openai.BadRequestError, "text only")

    def abort():
        s = chat(stream=True)
        next(iter(s))
        s.close()
        assert chat(max_tokens=2).choices

    def asynchronous():
        async def run():
            a = openai.AsyncOpenAI(base_url="http://qwqd/v1", api_key="none", max_retries=0,
                                   http_client=openai.DefaultAsyncHttpxClient(transport=httpx2.AsyncHTTPTransport(uds=socket)))

            async def one(i):
                s = await a.chat.completions.create(model=MODEL, messages=ASK, seed=i, max_tokens=16, temperature=2, top_p=1, stream=True)
                return "".join([p.choices[0].delta.content or "" async for p in s])

            assert len(set(await asyncio.gather(*[one(i) for i in range(6)]))) == 6

        asyncio.run(run())

    return {"models": models, "chat": whole, "stream": stream, "n, logprobs": several, "logit_bias": bias, "stop": stop, "schema": schema, "tools": tools,
            "tool stream": tool_stream, "completions": completions, "embeddings": embeddings, "responses": responses,
            "responses: tools": response_tools, "errors": errors, "abort": abort, "concurrent": asynchronous}


def ollama_checks(socket):
    import httpx
    import ollama

    c = ollama.Client(host="http://qwqd", transport=httpx.HTTPTransport(uds=socket))
    few = {"seed": 5, "num_predict": 16}

    def models():
        assert MODEL in [m.model for m in c.list().models]
        assert c.show(MODEL).details.format == "gguf" and MODEL in [m.model for m in c.ps().models]

    def whole():
        a = c.chat(MODEL, messages=ASK, options=few)
        assert a.message.content and a.eval_count == 16 and a.done_reason == "length"

    def stream():
        parts = list(c.chat(MODEL, messages=ASK, options=few, stream=True))
        assert "".join(p.message.content for p in parts) == c.chat(MODEL, messages=ASK, options=few).message.content
        assert parts[-1].done and not parts[0].done

    def generate():
        a = c.generate(MODEL, "Once upon a time", options=few)
        assert a.response and "".join(p.response for p in c.generate(MODEL, "Once upon a time", options=few, stream=True)) == a.response
        assert c.generate(MODEL, "Once", raw=True, options=few).response and c.generate(MODEL).done
        refused(lambda: c.generate(MODEL, "a", suffix="b"), ollama.ResponseError, "fill in the middle")

    def stop():
        word = c.chat(MODEL, messages=ASK, options=few).message.content.split()[3]
        assert word not in c.chat(MODEL, messages=ASK, options={**few, "stop": [word]}).message.content

    def schema():
        check(c.chat(MODEL, messages=ASK, format=SCHEMA, options={"seed": 1}).message.content)
        a = c.generate(MODEL, "Once", format="json", options={"seed": 1, "num_predict": 100})
        assert a.response.startswith("{") and (a.done_reason == "length" or json.loads(a.response) is not None)

    def tools():
        # Ollama has no tool_choice: the model may call, and what it says must come back whole.
        a = c.chat(MODEL, messages=ASK, options=few, tools=[{"type": "function", "function": function()}])
        assert a.message.content or a.message.tool_calls
        b = c.chat(MODEL, options=few, tools=[{"type": "function", "function": function()}], messages=ASK + [
            {"role": "assistant", "tool_calls": [{"function": {"name": "get_age", "arguments": {"name": "Tom", "age": 3}}}]},
            {"role": "tool", "tool_name": "get_age", "content": "5"}])
        assert b.message.content is not None

    def embeddings():
        a = c.embed(MODEL, ["The dog", "The cat"])
        assert len(a.embeddings) == 2 and abs(sum(x * x for x in a.embeddings[0]) - 1) < 1e-5
        assert list(c.embeddings(MODEL, "The dog").embedding) == list(a.embeddings[0])

    def errors():
        refused(lambda: c.chat("none", messages=ASK), ollama.ResponseError, "none")
        refused(lambda: c.chat(MODEL, messages=[{"role": "user", "content": "a", "images": ["AA=="]}]), ollama.ResponseError, "text only")
        refused(lambda: list(c.chat("none", messages=ASK, stream=True)), ollama.ResponseError, "none")

    def abort():
        s = c.chat(MODEL, messages=ASK, stream=True)
        next(s)
        s.close()
        assert c.chat(MODEL, messages=ASK, options={"num_predict": 2}).message.content is not None

    return {"models": models, "chat": whole, "stream": stream, "generate": generate, "stop": stop, "schema": schema, "tools": tools,
            "embeddings": embeddings, "errors": errors, "abort": abort}


def anthropic_checks(socket):
    import anthropic
    import httpx2

    c = anthropic.Anthropic(base_url="http://qwqd", api_key="none", max_retries=0,
                            http_client=anthropic.DefaultHttpxClient(transport=httpx2.HTTPTransport(uds=socket)))

    def ask(**more):
        return c.messages.create(**{"model": MODEL, "messages": ASK, "max_tokens": 16, **more})

    tool = {"name": "get_age", "description": "how old", "input_schema": SCHEMA}
    must = {"tools": [tool], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}, "max_tokens": 100}

    def models():
        assert MODEL in [m.id for m in c.models.list()] and c.models.retrieve(MODEL).id == MODEL

    def whole():
        a = ask(system="Be kind.")
        assert a.content[0].text and a.stop_reason == "max_tokens" and a.usage.output_tokens == 16

    def stream():
        with c.messages.stream(model=MODEL, messages=ASK, max_tokens=16) as s:
            text = "".join(s.text_stream)
            end = s.get_final_message()
        assert text and end.content[0].text == text and end.usage.output_tokens == 16 and end.usage.input_tokens > 0

    def stop():
        a = ask(max_tokens=60, stop_sequences=[" the", " a", " was", ".", ","])
        assert a.stop_reason == "stop_sequence" and a.stop_sequence in (" the", " a", " was", ".", ",")

    def tools():
        a = ask(**must)
        assert a.stop_reason == "tool_use" and a.content[0].name == "get_age"
        check(a.content[0].input)
        b = ask(tools=[tool], messages=ASK + [{"role": "assistant", "content": a.content}, {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": a.content[0].id, "content": "5"}]}])
        assert b.type == "message"

    def tool_stream():
        with c.messages.stream(model=MODEL, messages=ASK, **must) as s:
            end = s.get_final_message()
        assert end.stop_reason == "tool_use"
        check(end.content[0].input)

    def schema():
        a = ask(max_tokens=100, output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
        check(a.content[0].text)

    def thinking():
        assert ask(max_tokens=1100, stop_sequences=["."], thinking={"type": "enabled", "budget_tokens": 1024}).content

    def count():
        n = c.messages.count_tokens(model=MODEL, messages=ASK).input_tokens
        a = ask(max_tokens=1)
        assert n == a.usage.input_tokens + a.usage.cache_read_input_tokens

    def errors():
        refused(lambda: ask(model="none"), anthropic.NotFoundError, "not_found_error")
        refused(lambda: ask(max_tokens=0), anthropic.BadRequestError, "invalid_request_error")
        refused(lambda: ask(messages=[{"role": "user", "content": [{"type": "image", "source": {
            "type": "base64", "media_type": "image/png", "data": "AA=="}}]}]), anthropic.BadRequestError, "text only")

    def abort():
        with c.messages.stream(model=MODEL, messages=ASK, max_tokens=400) as s:
            next(iter(s.text_stream))
        assert ask(max_tokens=2).type == "message"

    return {"models": models, "chat": whole, "stream": stream, "stop": stop, "schema": schema, "tools": tools, "tool stream": tool_stream,
            "thinking": thinking, "count tokens": count, "errors": errors, "abort": abort}


def main():
    socket, client = sys.argv[1:]
    for name, run in {"openai": openai_checks, "ollama": ollama_checks, "anthropic": anthropic_checks}[client](socket).items():
        error = ""
        try:
            run()
        except Exception as e:  # all of them are findings
            error = f"{type(e).__name__}: {e}"[:500]
        print(json.dumps({"feature": name, "error": error}), flush=True)


main()
