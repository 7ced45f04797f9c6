"""A daemon on a Unix socket that answers as it is told."""
import http.server
import json
import socketserver
import sys
import threading
import time


class Fake(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, path):
        self.models = ["small", "large"]
        self.answers = {}    # by the last message's text: a list of (seconds, field, text), or (status, message)
        self.bodies = []     # of the chat requests
        self.cut = 0         # answers whose client went away
        self.status = status()
        super().__init__(path, Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that goes away early, as a closed page does, is no error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def say(self, ask, *texts, pause=0.0, field="content"):
        self.answers[ask] = [(pause, field, t) for t in texts]


def status(**machine):
    device = {"board": "Raspberry Pi 5 Model B", "system": "linux/arm64", "cores": 4,
              "memory": {"total": 8 << 30, "available": 6 << 30, "cgroup_limit": 0, "free": 6 << 30, "process": 700 << 20},
              "temperature": 61.5, "clocks": [{"mhz": 2400, "max_mhz": 2400}] * 4,
              "throttling": {"now": "none", "since_boot": "under-voltage"}}
    device.update(machine)
    model = {"name": "small", "architecture": "qwen2", "parameters": 494032768, "quantization": "Q8_0", "bytes": 531067968, "context": 32768,
             "template": True, "encoder": False, "since": "2026-01-01T00:00:00Z", "kv_bytes": 12 << 20, "kv_bytes_total": 400 << 20,
             "running": 1, "waiting": 2, "finished": 40, "failed": 0, "cancelled": 3, "refused": 1, "prompt_tokens": 2000, "cached_tokens": 500,
             "generated_tokens": 1000, "drafted_tokens": 0, "accepted_drafted_tokens": 0}
    return {"version": "1.0", "uptime_seconds": 4000.0, "models": [model], "device": device}


class Handler(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "unix"

    def log_message(self, *args):
        pass

    def answer(self, value, code=200, **headers):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/v1/models":
            self.answer({"object": "list", "data": [{"id": m, "object": "model"} for m in self.server.models]})
        elif self.path == "/qwq/v1/status":
            self.answer(self.server.status)
        else:
            self.answer({"error": {"message": "not here"}}, 404)

    def do_POST(self):
        q = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(q)
        ask = q["messages"][-1]["content"]
        script = self.server.answers.get(ask, [(0, "content", "You said: " + ask)])
        if isinstance(script, tuple):
            return self.answer({"error": {"message": script[1], "type": "x"}}, script[0], Retry_After="7")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            self.stream(q, script)
        except OSError:
            self.server.cut += 1

    def stream(self, q, script):
        def send(choices, **more):
            self.wfile.write(b"data: " + json.dumps({"id": "c", "model": q["model"], "choices": choices, **more}).encode() + b"\n\n")
            self.wfile.flush()

        for pause, field, text in script:
            time.sleep(pause)
            if field == "cut":
                return
            if field == "error":
                self.wfile.write(b"data: " + json.dumps({"error": {"message": text}}).encode() + b"\n\n")
                return
            send([{"index": 0, "delta": {field: text}, "finish_reason": None}])
        send([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        send([], usage={"prompt_tokens": 5, "completion_tokens": len(script), "total_tokens": 5 + len(script)})
        self.wfile.write(b"data: [DONE]\n\n")
