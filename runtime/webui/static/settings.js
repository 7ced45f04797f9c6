// The settings dialog of a conversation: title, system prompt, sampling, export.

import { $, el } from './dom.js';
import * as store from './store.js';

let c = null; // the conversation of the dialog
let done = () => {};

export function init(onDone, onDelete) {
  done = onDone;
  for (const n of store.NUMBERS) {
    const id = 's-' + n.key;
    $('s-numbers').append(el('div', {}, el('label', { for: id }, n.label),
      el('input', { id, type: 'number', min: n.min, max: n.max, step: 'any', inputmode: 'decimal', placeholder: 'automatic', autocomplete: 'off' })));
  }
  const dialog = $('settings');
  dialog.addEventListener('input', save);
  $('settings').querySelector('form').addEventListener('submit', (e) => {
    if (!e.target.checkValidity()) e.preventDefault();
  });
  dialog.addEventListener('click', (e) => { if (e.target === dialog) dialog.close(); });
  $('s-reset').addEventListener('click', () => {
    for (const n of store.NUMBERS) $('s-' + n.key).value = '';
    $('s-think').checked = true;
    save();
  });
  $('export-md').addEventListener('click', () => download(store.asMarkdown(c), 'md', 'text/markdown'));
  $('export-json').addEventListener('click', () => download(store.asJSON(c), 'json', 'application/json'));
  $('s-delete').addEventListener('click', () => { dialog.close(); onDelete(c); });
}

export function open(conversation) {
  c = conversation;
  $('s-title').value = store.titleOf(c) === 'New chat' ? '' : store.titleOf(c);
  $('s-title').placeholder = 'New chat';
  $('s-system').value = c.settings.system;
  for (const n of store.NUMBERS) $('s-' + n.key).value = c.settings.numbers[n.key] ?? '';
  $('s-think').checked = c.settings.think;
  $('settings').showModal();
}

function save() {
  const title = $('s-title').value.trim();
  if (title !== store.titleOf(c)) c.title = title;
  c.settings.system = $('s-system').value;
  c.settings.think = $('s-think').checked;
  c.settings.numbers = {};
  for (const n of store.NUMBERS) {
    const field = $('s-' + n.key);
    if (field.value === '' || !field.validity.valid) continue;
    c.settings.numbers[n.key] = n.step === 1 ? Math.round(field.valueAsNumber) : field.valueAsNumber;
  }
  store.keepSettings(c.settings);
  done(c);
}

function download(text, suffix, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const name = store.titleOf(c).replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '').slice(0, 60) || 'chat';
  el('a', { href: url, download: `${name}.${suffix}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
