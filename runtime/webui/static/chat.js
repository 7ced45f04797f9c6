// The conversation: messages, the answer that comes, and what can be done with them.

import { $, el, action, copy, toast, Speaker } from './dom.js';
import { View } from './markdown.js';
import * as api from './api.js';
import * as store from './store.js';

let current = null; // the conversation that is shown
let changed = () => {}; // called when titles or order changed
const runs = new Map(); // conversation id: {abort, message, draw}
const speaker = new Speaker($('live'));

export function init(onChange) {
  changed = onChange;
  const prompt = $('prompt');
  $('composer').addEventListener('submit', (e) => { e.preventDefault(); send(); });
  prompt.addEventListener('input', grow);
  prompt.addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) { e.preventDefault(); send(); }
  });
  $('stop').addEventListener('click', stop);
  document.addEventListener('keydown', (e) => {
    if (e.key === 'Escape' && !document.querySelector('dialog[open]') && !document.body.classList.contains('side-open')) stop();
  });
  const scroll = $('scroll');
  scroll.addEventListener('scroll', () => { $('latest').hidden = atEnd(); });
  $('latest').addEventListener('click', () => { toEnd(); prompt.focus(); });
}

export const shown = () => current;
export const isRunning = (id) => runs.has(id);

function grow() {
  const p = $('prompt');
  p.style.height = 'auto';
  p.style.height = Math.min(p.scrollHeight + 2, innerHeight * 0.4) + 'px';
  $('send').disabled = !p.value.trim();
}

const atEnd = () => { const s = $('scroll'); return s.scrollHeight - s.scrollTop - s.clientHeight < 60; };
const toEnd = () => { const s = $('scroll'); s.scrollTop = s.scrollHeight; };

// show draws a conversation.
export function show(c) {
  current = c;
  $('messages').replaceChildren(...c.messages.map((m, i) => draw(c, m, i)));
  $('empty').hidden = c.messages.length > 0;
  heading();
  buttons();
  toEnd();
  $('latest').hidden = true;
  grow();
}

export function heading() {
  const t = store.titleOf(current);
  $('title').textContent = t;
  document.title = t + ' – qwq';
}

function buttons() {
  const running = runs.has(current.id);
  $('stop').hidden = !running;
  $('send').hidden = running;
  $('scroll').setAttribute('aria-busy', String(running));
}

// send asks with what was typed.
function send() {
  const text = $('prompt').value.trim();
  if (!text || runs.has(current.id)) return;
  $('prompt').value = '';
  add(current, { role: 'user', content: text });
  answer(current);
}

function add(c, m) {
  c.messages.push(m);
  if (c === current) {
    $('empty').hidden = true;
    $('messages').append(draw(c, m, c.messages.length - 1));
    last();
    toEnd();
  }
}

// last leaves "Answer again" on the last message only.
function last() {
  const items = [...$('messages').children];
  items.forEach((li, i) => li.classList.toggle('last', i === items.length - 1));
}

export function stop() {
  if (current) runs.get(current.id)?.abort.abort();
}

// cut removes the messages from n on.
function cut(c, n) {
  c.messages.length = n;
  if (c === current) while ($('messages').children.length > n) $('messages').lastElementChild.remove();
}

// answer asks the model to answer the last message.
async function answer(c) {
  const s = c.settings;
  const m = { role: 'assistant', content: '', reasoning: '', model: s.model };
  const body = store.request(c, c.messages.length);
  const run = { abort: new AbortController(), message: m, busy: 'Waiting for the model' };
  runs.set(c.id, run);
  add(c, m);
  keep(c);
  buttons();
  grow();
  const began = performance.now();
  const waiting = setInterval(() => { // a long prompt takes a small board a while
    if (!run.busy) return;
    run.busy = `Waiting for the model, ${Math.round((performance.now() - began) / 1000)} s`;
    run.draw?.();
  }, 1000);
  let first = 0;
  let tokens = 0;
  try {
    for await (const p of api.chat(body, run.abort.signal)) {
      if (p.text || p.reasoning) {
        if (!first) first = performance.now();
        tokens++; // pieces, until the usage is told
        run.busy = '';
      }
      m.content += p.text;
      m.reasoning += p.reasoning;
      m.model = p.model || m.model;
      if (p.finish === 'length') m.note = 'Cut off: the longest answer was reached.';
      if (p.usage) tokens = p.usage.completion_tokens;
      if (c === current && p.text) speaker.push(p.text);
      run.draw?.();
    }
  } catch (e) {
    if (e.name === 'AbortError') m.note = 'Stopped.';
    else m.note = failure(e);
  }
  clearInterval(waiting);
  const end = performance.now();
  if (first) {
    const speed = tokens > 7 ? ` · ${rate((tokens - 1) / ((end - first) / 1000))} tokens/s` : ''; // of fewer it says nothing
    m.stats = `${tokens} ${tokens === 1 ? 'token' : 'tokens'}${speed} · first after ${seconds(first - began)}`;
  }
  runs.delete(c.id);
  run.busy = '';
  run.draw?.(true);
  keep(c);
  if (c === current) {
    speaker.end(m.note || 'End of the answer.');
    buttons();
    grow();
  }
}

function failure(e) {
  if (e.status === 503 && e.after) return `Busy: ${e.message}. It may work in ${e.after} s.`;
  return 'Error: ' + e.message;
}

const rate = (v) => (v < 100 ? v.toFixed(1) : Math.round(v));
const seconds = (ms) => (ms < 1000 ? Math.round(ms) + ' ms' : (ms / 1000).toFixed(1) + ' s');

function keep(c) {
  if (!store.save(c)) toast('The browser\'s storage is full: this chat is not kept. Delete older ones.');
  changed();
  if (c === current) heading();
}

// draw makes the element of a message.
function draw(c, m, i) {
  const user = m.role === 'user';
  const text = el('div', { class: 'text' });
  const view = new View(text);
  const note = el('p', { class: 'note' });
  const stats = el('span', { class: 'stats' });
  const busy = el('p', { class: 'busy' });
  const think = user ? null : el('details', { class: 'think', hidden: true }, el('summary', {}, 'Thinking'), el('div', { class: 'text' }));
  const thinking = think && new View(think.lastElementChild);
  const tools = el('div', { class: 'tools' });
  const article = el('article', { class: 'msg ' + m.role, 'aria-label': user ? 'You' : m.model || 'Model' }, think, text, busy, note, tools);
  const li = el('li', {}, article);

  const copyButton = action('copy', 'Copy message', () => copy(m.content, copyButton));
  tools.append(copyButton);
  if (user) {
    tools.append(action('edit', 'Edit and ask again', () => edit(c, m, li)));
  } else {
    const again = action('again', 'Answer again', () => {
      if (runs.has(c.id)) return;
      cut(c, c.messages.indexOf(m));
      answer(c);
      $('prompt').focus();
    });
    again.classList.add('again');
    tools.append(again, stats);
  }

  const paint = () => {
    const stick = atEnd();
    const run = runs.get(c.id);
    const mine = run?.message === m;
    if (user) text.textContent = m.content;
    else view.update(m.content);
    if (think && m.reasoning) {
      think.hidden = false;
      think.firstElementChild.textContent = mine && !m.content ? `Thinking… ${words(m.reasoning)} words` : `Thought, ${words(m.reasoning)} words`;
      if (think.open || !mine) thinking.update(m.reasoning);
    }
    busy.textContent = mine ? run.busy : '';
    busy.hidden = !busy.textContent;
    note.textContent = m.note || '';
    note.hidden = !m.note;
    note.classList.toggle('error', /^(Error|Busy)/.test(m.note || ''));
    stats.textContent = m.stats || '';
    tools.hidden = mine;
    article.classList.toggle('coming', mine);
    if (stick && c === current && m === c.messages.at(-1)) toEnd();
  };
  think?.addEventListener('toggle', () => thinking.update(m.reasoning));
  const run = runs.get(c.id);
  if (run?.message === m) run.draw = pace(paint);
  paint();
  if (i === c.messages.length - 1) li.classList.add('last');
  return li;
}

const words = (s) => s.split(/\s+/).filter(Boolean).length;

// pace bounds what painting costs: at most once a frame, and a sixth of the time.
function pace(paint) {
  let timer = 0;
  let cost = 0;
  const now = () => { const t = performance.now(); timer = 0; paint(); cost = performance.now() - t; };
  return (final) => {
    if (final) { clearTimeout(timer); now(); }
    else if (!timer) timer = setTimeout(now, Math.max(16, 6 * cost));
  };
}

// edit lets a message be written anew; what came after it goes.
function edit(c, m, li) {
  if (runs.has(c.id)) return;
  const article = li.firstElementChild;
  const area = el('textarea', { rows: 3, 'aria-label': 'Message' });
  area.value = m.content;
  const back = () => { const fresh = draw(c, m, c.messages.indexOf(m)); li.replaceWith(fresh); last(); return fresh; };
  const cancel = () => back().querySelector('[aria-label^="Edit"]').focus();
  const form = el('form', {
    class: 'edit',
    submit: (e) => {
      e.preventDefault();
      const text = area.value.trim();
      if (!text || runs.has(c.id)) return;
      cut(c, c.messages.indexOf(m));
      add(c, { role: 'user', content: text });
      answer(c);
      $('prompt').focus();
    },
    keydown: (e) => {
      if (e.key === 'Escape') { e.stopPropagation(); cancel(); }
      if (e.key === 'Enter' && !e.shiftKey && !e.isComposing && e.target === area) { e.preventDefault(); form.requestSubmit(); }
    },
  }, area, el('div', { class: 'buttons end' }, el('button', { type: 'button', click: cancel }, 'Cancel'), el('button', { class: 'primary' }, 'Ask again')));
  article.replaceChildren(form);
  area.focus({ preventScroll: true });
  li.scrollIntoView({ block: 'nearest' });
}
