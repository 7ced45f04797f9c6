// Elements are made here and nowhere else. Text goes in as text nodes: nothing in this
// page ever reads a string as HTML, and the content security policy (trusted types)
// makes the browser refuse it.

export const $ = (id) => document.getElementById(id);

// el makes an element. Attributes that are null or false are left out, functions listen.
export function el(tag, attrs = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) {
    if (v === null || v === undefined || v === false) continue;
    if (typeof v === 'function') e.addEventListener(k, v);
    else e.setAttribute(k, v === true ? '' : String(v));
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

const SVG = 'http://www.w3.org/2000/svg';

export function svg(tag, attrs = {}, ...children) {
  const e = document.createElementNS(SVG, tag);
  for (const [k, v] of Object.entries(attrs)) e.setAttribute(k, String(v));
  e.append(...children);
  return e;
}

export const icon = (name) => svg('svg', { 'aria-hidden': 'true' }, svg('use', { href: '#i-' + name }));

// action is a small button with an icon and a name.
export function action(name, label, click) {
  return el('button', { type: 'button', class: 'act', 'aria-label': label, title: label, click }, icon(name));
}

let toastTimer = 0;

// toast says something short; it is read aloud too.
export function toast(text) {
  const t = $('toast');
  t.textContent = text;
  t.classList.add('on');
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { t.classList.remove('on'); t.textContent = ''; }, 4000);
}

// copy puts a text on the clipboard and shows so on the button.
export async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    toast('The browser does not allow copying');
    return;
  }
  toast('Copied');
  const use = button.querySelector('use');
  use.setAttribute('href', '#i-check');
  setTimeout(() => use.setAttribute('href', '#i-copy'), 1500);
}

// Speaker reads an answer aloud, through a live region, in whole sentences: a region that
// grows by the token makes screen readers stutter.
export class Speaker {
  constructor(region) { this.region = region; this.rest = ''; }

  push(text) {
    this.rest += text;
    const end = Math.max(...['. ', '! ', '? ', '\n', ': ', '; '].map((m) => this.rest.lastIndexOf(m) + m.length * (this.rest.lastIndexOf(m) >= 0)));
    if (end > 40) {
      this.say(this.rest.slice(0, end));
      this.rest = this.rest.slice(end);
    }
  }

  end(note) {
    this.say(this.rest);
    this.rest = '';
    this.say(note);
  }

  say(text) {
    const plain = text.replace(/[`*_#>|]+/g, ' ').trim();
    if (!plain) return;
    this.region.append(el('p', {}, plain));
    while (this.region.childElementCount > 20) this.region.firstElementChild.remove();
  }
}
