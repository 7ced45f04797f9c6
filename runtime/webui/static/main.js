// Starts the page: the one-time token, the list of chats, the views, the theme.

import { $, el, action, toast } from './dom.js';
import * as api from './api.js';
import * as store from './store.js';
import * as chat from './chat.js';
import * as settings from './settings.js';
import * as device from './device.js';

let conversations = [];

// An address with a token that is opened in a tab which shows the page only changes the
// fragment: the page has to begin anew.
addEventListener('hashchange', () => { if (location.hash.startsWith('#token=')) location.reload(); });

// start unlocks the page with the token of its address, which is then forgotten.
async function start() {
  const token = /^#token=([A-Za-z0-9_-]{1,100})$/.exec(location.hash)?.[1];
  if (token) {
    history.replaceState(null, '', '/');
    try {
      await api.unlock(token);
    } catch (e) {
      return lock(e.message);
    }
  }
  chat.init(list);
  settings.init(settled, remove);
  wire();
  conversations = store.all();
  route();
  $('app').hidden = false;
  if (location.hash !== '#/device') $('prompt').focus({ preventScroll: true });
  await models();
}

function lock(why) {
  $('app').hidden = true;
  $('skip').hidden = true;
  $('locked').hidden = false;
  $('locked-why').textContent = why;
  document.title = 'qwq is locked';
}

// models fills the choice of models, and tries again until the daemon answers.
async function models() {
  let names;
  try {
    names = (await api.models()).map((m) => m.id);
  } catch (e) {
    if (e.status === 401) return lock(e.message);
    banner(e.message);
    setTimeout(models, 3000);
    return;
  }
  banner('');
  $('model').replaceChildren(...names.map((n) => el('option', { value: n }, n)));
  pick(chat.shown());
  note();
}

function banner(text) {
  $('banner').textContent = text;
  $('banner').hidden = !text;
}

// pick shows a conversation's model; one that is gone becomes the first.
function pick(c) {
  const names = [...$('model').options].map((o) => o.value);
  if (!names.length) return;
  if (!names.includes(c.settings.model)) c.settings.model = names[0];
  $('model').value = c.settings.model;
}

function note() {
  $('empty-note').textContent = $('model').value === 'embedded'
    ? 'The model inside the program only knows children\'s stories: begin one, and it goes on. Nothing leaves this machine.'
    : 'The model runs on this machine, and nothing leaves it.';
}

function wire() {
  $('new').addEventListener('click', () => { fresh(); side(false); $('prompt').focus(); });
  $('open-side').addEventListener('click', () => side(true));
  $('close-side').addEventListener('click', () => side(false));
  $('shade').addEventListener('click', () => side(false));
  document.addEventListener('keydown', (e) => {
    if (e.key === 'Escape' && document.body.classList.contains('side-open')) side(false);
  });
  $('open-settings').addEventListener('click', () => settings.open(chat.shown()));
  $('model').addEventListener('change', () => {
    const c = chat.shown();
    c.settings.model = $('model').value;
    store.keepSettings(c.settings);
    if (c.messages.length) store.save(c);
    note();
  });
  $('skip').addEventListener('click', (e) => { e.preventDefault(); $('prompt').focus(); }); // its address would be no chat's
  $('theme').addEventListener('click', theme);
  themeName();
  addEventListener('hashchange', route);
  addEventListener('storage', (e) => { // another tab wrote
    if (!store.isKey(e.key)) return;
    const c = chat.shown();
    conversations = store.all().map((x) => conversations.find((y) => y.id === x.id && (chat.isRunning(y.id) || y.updated >= x.updated)) ?? x);
    const same = conversations.find((x) => x.id === c.id);
    if (same && same !== c) chat.show(same);
    list();
  });
}

// side opens or closes the list on a narrow screen; the rest cannot be reached meanwhile.
function side(open) {
  if (open === document.body.classList.contains('side-open')) return;
  document.body.classList.toggle('side-open', open);
  $('page').inert = open;
  $('open-side').setAttribute('aria-expanded', String(open));
  $(open ? 'close-side' : 'open-side').focus();
}

// route shows what the address names.
function route() {
  const hash = location.hash;
  const isDevice = hash === '#/device';
  $('chat').hidden = isDevice;
  $('device').hidden = !isDevice;
  $('open-settings').hidden = isDevice;
  $('model').parentElement.hidden = isDevice;
  $('skip').hidden = isDevice;
  side(false);
  if (isDevice) {
    if (!chat.shown()) chat.show(store.create());
    $('title').textContent = 'Model and device';
    document.title = 'Model and device – qwq';
    device.open();
    list();
    return;
  }
  device.close();
  const id = hash.startsWith('#/c/') ? hash.slice(4) : '';
  const c = conversations.find((x) => x.id === id) ?? (chat.shown()?.id === id || (!id && chat.shown() && !chat.shown().messages.length) ? chat.shown() : store.create());
  chat.show(c);
  pick(c);
  list();
}

// fresh begins a new conversation at once: what is typed next belongs to it.
function fresh() {
  if (location.hash) history.pushState(null, '', '#/');
  route();
}

// list draws the conversations, and gives the one that is shown its address.
function list() {
  const c = chat.shown();
  if (c.messages.length && !conversations.some((x) => x.id === c.id)) conversations.push(c);
  conversations.sort((a, b) => b.updated - a.updated);
  const onDevice = location.hash === '#/device';
  if (c.messages.length && !onDevice && location.hash !== '#/c/' + c.id) history.replaceState(null, '', '#/c/' + c.id);
  const focused = document.activeElement?.closest?.('#list li')?.dataset.id;
  $('list').replaceChildren(...conversations.map((x) => {
    const title = store.titleOf(x);
    const here = x === c && !onDevice;
    return el('li', { 'data-id': x.id, class: chat.isRunning(x.id) ? 'running' : null },
      el('a', { href: '#/c/' + x.id, 'aria-current': here ? 'page' : null }, title),
      action('trash', `Delete “${title}”`, () => remove(x)));
  }));
  if (focused) $('list').querySelector(`[data-id="${CSS.escape(focused)}"] a`)?.focus();
  if (onDevice) $('to-device').setAttribute('aria-current', 'page');
  else $('to-device').removeAttribute('aria-current');
}

// settled takes over what the dialog changed.
function settled(c) {
  if (c.messages.length) store.save(c);
  if (c === chat.shown() && location.hash !== '#/device') chat.heading();
  list();
}

// remove asks, and deletes a conversation.
function remove(c) {
  const d = $('confirm');
  $('confirm-text').textContent = `“${store.titleOf(c)}” has ${c.messages.length} messages. It cannot be brought back.`;
  d.returnValue = '';
  d.showModal();
  d.addEventListener('close', () => {
    if (d.returnValue !== 'yes') return;
    if (c === chat.shown()) chat.stop();
    conversations = conversations.filter((x) => x !== c);
    store.drop(c);
    if (c === chat.shown()) { chat.show(store.create()); pick(chat.shown()); if (location.hash !== '#/device') history.replaceState(null, '', '#/'); }
    list();
    toast('Deleted');
    ($('list').querySelector('a') ?? $('new')).focus();
  }, { once: true });
}

const THEMES = ['system', 'light', 'dark'];

function theme() {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? 'system') + 1) % THEMES.length];
  if (next === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try { localStorage.setItem('qwq.theme', next); } catch { /* it holds for this page */ }
  themeName();
}

function themeName() {
  $('theme-name').textContent = 'Theme: ' + (document.documentElement.dataset.theme ?? 'system');
}

start();
