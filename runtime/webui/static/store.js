// Conversations in localStorage, one key each. What is read is checked: another program
// may have been at this address.

const PREFIX = 'qwq.c.';
const LAST = 'qwq.settings';

// The numbers of a request, with their bounds; an empty one is not sent.
export const NUMBERS = [
  { key: 'temperature', label: 'Temperature', min: 0, max: 2, step: 0.05 },
  { key: 'top_p', label: 'Top-p', min: 0, max: 1, step: 0.01 },
  { key: 'top_k', label: 'Top-k', min: 0, max: 1000, step: 1 },
  { key: 'min_p', label: 'Min-p', min: 0, max: 1, step: 0.01 },
  { key: 'repeat_penalty', label: 'Repeat penalty', min: 0.1, max: 2, step: 0.05 },
  { key: 'max_tokens', label: 'Max tokens', min: 1, max: 1000000, step: 1 },
  { key: 'max_thinking_tokens', label: 'Max thinking tokens', min: 0, max: 1000000, step: 1 },
  { key: 'seed', label: 'Seed', min: 0, max: 2147483647, step: 1 },
];

const text = (v) => (typeof v === 'string' ? v : '');

function settings(v) {
  const out = { model: text(v?.model), system: text(v?.system), think: v?.think !== false, numbers: {} };
  for (const n of NUMBERS) {
    const x = v?.numbers?.[n.key];
    if (typeof x === 'number' && x >= n.min && x <= n.max) out.numbers[n.key] = x;
  }
  return out;
}

function message(v) {
  if (v?.role !== 'user' && v?.role !== 'assistant') return null;
  return { role: v.role, content: text(v.content), reasoning: text(v.reasoning), note: text(v.note), stats: text(v.stats), model: text(v.model) };
}

function conversation(id, v) {
  return {
    id, title: text(v?.title), updated: Number(v?.updated) || 0, settings: settings(v?.settings),
    messages: (Array.isArray(v?.messages) ? v.messages : []).map(message).filter(Boolean),
  };
}

function read(key) {
  try { return JSON.parse(localStorage.getItem(key)); } catch { return null; }
}

// write returns whether there was room.
function write(key, v) {
  try {
    localStorage.setItem(key, JSON.stringify(v));
    return true;
  } catch { return false; }
}

// all lists the conversations, the latest first.
export function all() {
  const out = [];
  try {
    for (let i = 0; i < localStorage.length; i++) {
      const key = localStorage.key(i);
      if (key.startsWith(PREFIX)) out.push(conversation(key.slice(PREFIX.length), read(key)));
    }
  } catch { /* storage is forbidden: nothing was kept */ }
  return out.sort((a, b) => b.updated - a.updated);
}

// create begins a conversation with the settings of the last one; it is kept when it has
// a message.
export function create() {
  const id = crypto.randomUUID();
  return conversation(id, { settings: read(LAST) });
}

export function save(c) {
  c.updated = Date.now();
  return write(PREFIX + c.id, { title: c.title, updated: c.updated, settings: c.settings, messages: c.messages });
}

export const keepSettings = (s) => write(LAST, s);

export function drop(c) {
  try { localStorage.removeItem(PREFIX + c.id); } catch { /* nothing was kept */ }
}

export const isKey = (key) => key === null || key.startsWith(PREFIX);

// titleOf is the conversation's name, from its first message where none was given.
export function titleOf(c) {
  const t = c.title || c.messages.find((m) => m.role === 'user')?.content || '';
  const line = t.trim().split('\n')[0];
  return line.length > 60 ? line.slice(0, 59) + '…' : line || 'New chat';
}

// request is the body of a chat request that answers the first n messages.
export function request(c, n) {
  const s = c.settings;
  const messages = c.messages.slice(0, n).map((m) => ({ role: m.role, content: m.content }));
  if (s.system.trim()) messages.unshift({ role: 'system', content: s.system });
  return { model: s.model, messages, ...s.numbers, ...(s.think ? {} : { reasoning_effort: 'none' }) };
}

// asMarkdown and asJSON are the exported forms; JSON has the messages as the API does.
export function asMarkdown(c) {
  const parts = ['# ' + titleOf(c)];
  if (c.settings.system.trim()) parts.push('## System', c.settings.system);
  for (const m of c.messages) parts.push(m.role === 'user' ? '## You' : '## ' + (m.model || 'Model'), m.content);
  return parts.join('\n\n') + '\n';
}

export function asJSON(c) {
  const { messages, model, ...rest } = request(c, c.messages.length);
  return JSON.stringify({ title: titleOf(c), model, ...rest, messages }, null, 2) + '\n';
}
