// The page of the models and the machine: asked once a second while it is seen.

import { $, el, svg } from './dom.js';
import * as api from './api.js';

const KEPT = 60; // samples of a curve, one a second
const curves = { speed: [], prompt: [], temperature: [] };
let before = null; // the status before, and when it came
let timer = 0;
let parts = null;

const GB = (n) => (n >= 1e9 ? (n / 1e9).toFixed(1) + ' GB' : n >= 1e6 ? (n / 1e6).toFixed(1) + ' MB' : Math.round(n / 1e3) + ' kB');
const count = (n) => (n >= 1e9 ? (n / 1e9).toFixed(1) + ' B' : n >= 1e6 ? (n / 1e6).toFixed(1) + ' M' : n >= 1e4 ? (n / 1e3).toFixed(1) + ' k' : String(n));
const number = (v) => (v >= 100 ? Math.round(v).toString() : v.toFixed(1));

function span(s) {
  if (s < 90) return Math.round(s) + ' s';
  if (s < 5400) return Math.round(s / 60) + ' min';
  return s < 172800 ? (s / 3600).toFixed(1) + ' h' : Math.round(s / 86400) + ' days';
}

export function open() {
  if (!parts) build();
  close();
  tick();
}

export function close() {
  clearTimeout(timer);
  timer = 0;
}

document.addEventListener('visibilitychange', () => {
  if ($('device').hidden) return;
  if (document.hidden) close(); else open();
});

function build() {
  const card = (title, ...inside) => el('section', { class: 'card' }, el('h2', {}, title), ...inside);
  const curve = () => svg('svg', { class: 'curve', viewBox: '0 0 240 56', preserveAspectRatio: 'none', role: 'img', 'aria-label': 'no samples yet' },
    svg('path', { class: 'area' }), svg('path', { class: 'line' }));
  const p = {
    now: el('p', { class: 'big' }), prompt: el('p', { class: 'sub' }), speedCurve: curve(),
    queue: el('p', { class: 'big' }), queueSub: el('dl', { class: 'facts' }),
    memory: el('p', { class: 'big' }), meter: el('div', { class: 'meter', role: 'meter', 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': 0, 'aria-label': 'Memory in use, percent' }, el('div')), memorySub: el('dl', { class: 'facts' }),
    heat: el('p', { class: 'big' }), heatSub: el('p', { class: 'sub' }), heatCurve: curve(),
    models: el('div', { class: 'models' }), machine: el('dl', { class: 'facts two' }), note: el('p', { class: 'note', role: 'status' }),
  };
  $('device').replaceChildren(p.note,
    el('div', { class: 'cards' },
      card('Speed', p.now, p.prompt, p.speedCurve),
      card('Temperature', p.heat, p.heatSub, p.heatCurve),
      card('Memory', p.memory, p.meter, p.memorySub),
      card('Queue', p.queue, p.queueSub)),
    el('section', { class: 'card' }, el('h2', {}, 'Loaded models'), p.models),
    el('section', { class: 'card' }, el('h2', {}, 'Machine'), p.machine));
  parts = p;
}

async function tick() {
  const mine = setTimeout(() => {}, 0);
  timer = mine;
  try {
    const s = await api.status();
    paint(s);
    parts.note.textContent = '';
  } catch (e) {
    parts.note.textContent = 'No news: ' + e.message;
    before = null;
  }
  if (timer === mine) timer = setTimeout(tick, 1000);
}

const sum = (models, key) => models.reduce((n, m) => n + m[key], 0);

// rates is what was done per second since the status before.
function rates(s) {
  const now = { at: performance.now(), up: s.uptime_seconds, made: sum(s.models, 'generated_tokens'), read: sum(s.models, 'prompt_tokens') - sum(s.models, 'cached_tokens') };
  const old = before;
  before = now;
  if (!old || now.up < old.up || now.at - old.at > 10000) return { made: 0, read: 0 };
  const t = (now.at - old.at) / 1000;
  return { made: Math.max(0, now.made - old.made) / t, read: Math.max(0, now.read - old.read) / t };
}

function push(name, v) {
  curves[name].push(v);
  if (curves[name].length > KEPT) curves[name].shift();
  return curves[name];
}

// plot draws a curve from the right; low is the least top of the scale.
function plot(node, values, low, unit) {
  const top = Math.max(low, ...values) * 1.1;
  const bottom = unit === '°C' ? Math.max(0, Math.min(...values) - 5) : 0;
  const x = (i) => (240 * (i + KEPT - values.length) / (KEPT - 1)).toFixed(1);
  const y = (v) => (54 - 52 * (v - bottom) / (top - bottom)).toFixed(1);
  const line = values.map((v, i) => (i ? 'L' : 'M') + x(i) + ' ' + y(v)).join('');
  node.children[1].setAttribute('d', line);
  node.children[0].setAttribute('d', values.length ? `${line}L240 56L${x(0)} 56Z` : '');
  node.setAttribute('aria-label', `the last ${values.length} seconds: ${number(Math.min(...values))} to ${number(Math.max(...values))} ${unit}`);
}

const facts = (dl, rows) => dl.replaceChildren(...rows.filter(Boolean).map(([k, v]) => el('div', {}, el('dt', {}, k), el('dd', {}, v))));

function paint(s) {
  const p = parts;
  const r = rates(s);
  p.now.replaceChildren(number(r.made), el('small', {}, ' tokens/s'));
  p.prompt.textContent = `reading prompts: ${number(r.read)} tokens/s`;
  plot(p.speedCurve, push('speed', r.made), 10, 'tokens/s');
  push('prompt', r.read);

  p.queue.replaceChildren(String(sum(s.models, 'running')), el('small', {}, ` running, ${sum(s.models, 'waiting')} waiting`));
  facts(p.queueSub, [['Finished', count(sum(s.models, 'finished'))], ['Cancelled', count(sum(s.models, 'cancelled'))], ['Failed', count(sum(s.models, 'failed'))], ['Refused', count(sum(s.models, 'refused'))]]);

  machine(s);
  p.models.replaceChildren(...(s.models.length ? s.models.map(model) : [el('p', { class: 'sub' }, 'None: a model is loaded when it is first asked.')]));
}

function machine(s) {
  const p = parts;
  const d = s.device;
  const m = d?.memory;
  if (m?.total) {
    const total = m.cgroup_limit || m.total;
    const used = total - Math.min(m.free, total);
    p.memory.replaceChildren(GB(used), el('small', {}, ` of ${GB(total)} in use`));
    p.meter.setAttribute('aria-valuenow', Math.round(100 * used / total));
    p.meter.firstChild.style.width = (100 * used / total).toFixed(1) + '%';
    p.meter.classList.toggle('high', used > 0.9 * total);
    facts(p.memorySub, [['Free', GB(m.free)], ['Daemon, mapped weights included', GB(m.process)], m.cgroup_limit ? ['Limit of its control group', GB(m.cgroup_limit)] : null]);
  } else p.memory.replaceChildren('not available');
  p.memory.classList.toggle('none', !m?.total);
  p.meter.hidden = !m?.total;

  if (d && d.temperature !== null) {
    p.heat.replaceChildren(d.temperature.toFixed(1), el('small', {}, ' °C'));
    plot(p.heatCurve, push('temperature', d.temperature), 60, '°C');
  } else p.heat.replaceChildren('no sensor that can be read');
  p.heat.classList.toggle('none', !d || d.temperature === null);
  p.heatCurve.toggleAttribute('hidden', !d || d.temperature === null);
  const t = d?.throttling;
  p.heatSub.textContent = t ? `${t.now === 'none' ? 'not slowed down now' : 'slowed down now: ' + t.now}; since it was started: ${t.since_boot}` : 'throttling: this machine does not tell';
  p.heatSub.classList.toggle('warn', Boolean(t) && t.now !== 'none');

  const clocks = d?.clocks.length ? `${Math.round(Math.max(...d.clocks.map((c) => c.mhz)))} MHz` + (d.clocks[0].max_mhz ? ` of ${Math.round(d.clocks[0].max_mhz)}` : '') : '';
  facts(p.machine, [d?.board ? ['Board', d.board] : null, d ? ['System', d.system] : null, d ? ['Cores', String(d.cores)] : null, clocks ? ['Clock', clocks] : null, ['Daemon', s.version], ['Running for', span(s.uptime_seconds)]]);
}

function model(m) {
  const dl = el('dl', { class: 'facts two' });
  const reused = m.prompt_tokens ? ` (${Math.round(100 * m.cached_tokens / m.prompt_tokens)} % reused)` : '';
  facts(dl, [
    ['Kind', `${m.architecture}, ${m.quantization}`], ['Parameters', count(m.parameters)], ['File', GB(m.bytes)], ['Context', `${m.context} tokens`],
    ['Running, waiting', `${m.running}, ${m.waiting}`], ['Written', `${count(m.generated_tokens)} tokens`], ['Read', `${count(m.prompt_tokens)} tokens${reused}`],
    ['KV cache', `${GB(m.kv_bytes)} of ${GB(m.kv_bytes_total)}`], m.drafted_tokens ? ['Drafts taken', Math.round(100 * m.accepted_drafted_tokens / m.drafted_tokens) + ' %'] : null,
    ['Loaded for', span((Date.now() - Date.parse(m.since)) / 1000)],
    m.encoder ? ['Note', 'it embeds texts and cannot write'] : m.template ? null : ['Note', 'it has no chat template: it continues texts'],
  ]);
  return el('div', { class: 'model' }, el('h3', {}, m.name), dl);
}
