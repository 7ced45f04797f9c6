// The daemon's endpoints that the page uses. The cookie goes along by itself.

// Failure is an answer that is none; status is 0 where nothing answered.
export class Failure extends Error {
  constructor(message, status, after = 0) {
    super(message);
    this.status = status;
    this.after = after; // seconds until another try is worth it
  }
}

async function call(path, options = {}) {
  let r;
  try {
    r = await fetch(path, { cache: 'no-store', credentials: 'same-origin', ...options });
  } catch (e) {
    if (e.name === 'AbortError') throw e;
    throw new Failure('Nothing answers: is "qwq ui" still running?', 0);
  }
  if (r.ok) return r;
  let text = await r.text().catch(() => '');
  try { text = JSON.parse(text).error.message || text; } catch { /* not the API's form: as it is */ }
  throw new Failure(String(text).slice(0, 500) || r.statusText, r.status, Number(r.headers.get('Retry-After')) || 0);
}

const post = (path, body, signal) => call(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), signal });

// unlock exchanges the one-time token for the cookie.
export const unlock = (token) => post('/session', { token });

export const models = async () => (await (await call('/v1/models')).json()).data;
export const status = async () => (await call('/qwq/v1/status')).json();

// data gives the data fields of server-sent events (WHATWG HTML, section 9.2).
async function* data(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith('data:')) yield line.slice(5).trim();
    }
  }
}

// chat asks for an answer and gives its pieces: {text, reasoning, finish, usage, model}.
export async function* chat(body, signal) {
  const r = await post('/v1/chat/completions', { ...body, stream: true, stream_options: { include_usage: true } }, signal);
  for await (const d of data(r.body)) {
    if (d === '[DONE]') return;
    const c = JSON.parse(d);
    if (c.error) throw new Failure(c.error.message, 500);
    const choice = c.choices[0];
    yield {
      text: choice?.delta?.content ?? '',
      reasoning: choice?.delta?.reasoning_content ?? '',
      finish: choice?.finish_reason ?? null,
      usage: c.usage ?? null,
      model: c.model,
    };
  }
  throw new Failure('The answer was cut off', 0);
}
