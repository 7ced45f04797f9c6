// Markdown to elements: headings, paragraphs, lists, quotes, tables, code, links,
// emphasis. HTML is text, images are links and load nothing, links lead to http, https
// and mailto only. Every text is read in time that grows with its length: what a model
// writes must not be able to hang the page.

import { el, action, copy } from './dom.js';

const DEEPEST = 8; // of quotes, lists and emphasis in each other; deeper ones are text
const LONGEST_LINK = 600; // characters of a link's text, and of its address

// parse takes a text apart into blocks {type, raw, …}.
export function parse(text, depth = 0) {
  const lines = text.split('\n');
  const out = [];
  for (let i = 0; i < lines.length;) {
    if (!lines[i].trim()) { i++; continue; }
    const from = i;
    const block = fence(lines, i) ?? heading(lines[i]) ?? rule(lines[i]) ??
      (depth < DEEPEST ? quote(lines, i, depth) ?? list(lines, i, depth) : null) ?? table(lines, i) ?? paragraph(lines, i, depth);
    i += block.lines;
    block.raw = lines.slice(from, i).join('\n');
    out.push(block);
  }
  return out;
}

function fence(lines, i) {
  const m = /^ {0,3}(`{3,}|~{3,})[ \t]*([^`]*)$/.exec(lines[i]);
  if (!m) return null;
  const indent = lines[i].indexOf(m[1]);
  let j = i + 1;
  const closes = (s) => { const t = s.trim(); return t.length >= m[1].length && t === m[1][0].repeat(t.length); };
  while (j < lines.length && !closes(lines[j])) j++;
  const text = lines.slice(i + 1, j).map((l) => l.slice(Math.min(indent, l.length - l.trimStart().length))).join('\n');
  return { type: 'code', language: m[2].trim().split(/\s/)[0].slice(0, 30), text, lines: Math.min(j + 1, lines.length) - i };
}

function heading(line) {
  const m = /^ {0,3}(#{1,6})(?:[ \t]|$)/.exec(line);
  return m && { type: 'heading', level: m[1].length, text: line.slice(m[0].length).trim(), lines: 1 };
}

function rule(line) {
  const t = line.replace(/[ \t]/g, '');
  return t.length >= 3 && '-*_'.includes(t[0]) && t === t[0].repeat(t.length) ? { type: 'rule', lines: 1 } : null;
}

const QUOTE = /^ {0,3}> ?/;

function quote(lines, i, depth) {
  let j = i;
  while (j < lines.length && QUOTE.test(lines[j])) j++;
  if (j === i) return null;
  const inner = lines.slice(i, j).map((l) => l.replace(QUOTE, '')).join('\n');
  return { type: 'quote', blocks: parse(inner, depth + 1), lines: j - i };
}

const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?: {1,4}|\t|$)/;

// list reads items of one kind. What is indented as far as an item's text belongs to it.
function list(lines, i, depth) {
  const first = ITEM.exec(lines[i]);
  if (!first || rule(lines[i])) return null;
  const ordered = first[2].length > 1;
  const items = [];
  let j = i;
  let loose = false;
  while (j < lines.length) {
    const m = ITEM.exec(lines[j]);
    if (!m || rule(lines[j]) || (m[2].length > 1) !== ordered) break;
    const indent = m[0].length;
    const inner = [lines[j++].slice(indent)];
    while (j < lines.length) {
      const l = lines[j];
      const width = l.length - l.trimStart().length;
      if (!l.trim()) {
        const next = lines[j + 1] ?? '';
        if (next.trim() && next.length - next.trimStart().length >= Math.min(indent, 4)) { inner.push(''); loose = true; j++; continue; }
        break;
      }
      if (width >= Math.min(indent, 2) && (width >= indent || !ITEM.test(l) || width > first[1].length)) inner.push(l.slice(Math.min(indent, width)));
      else if (!starts(lines, j) && inner[inner.length - 1].trim()) inner.push(l); // a lazy continuation
      else break;
      j++;
    }
    items.push(parse(inner.join('\n'), depth + 1));
    let k = j;
    while (k < lines.length && !lines[k].trim()) k++;
    if (k > j && k < lines.length && ITEM.test(lines[k]) && !rule(lines[k])) { loose = true; j = k; }
  }
  return { type: 'list', ordered, start: ordered ? parseInt(first[2], 10) : 1, items, loose, lines: j - i };
}

const cells = (line) => {
  const t = line.trim().replace(/^\|/, '').replace(/\|$/, '');
  const out = [''];
  for (let i = 0; i < t.length; i++) {
    if (t[i] === '\\' && t[i + 1] === '|') out[out.length - 1] += t[++i];
    else if (t[i] === '|') out.push('');
    else out[out.length - 1] += t[i];
  }
  return out.map((c) => c.trim());
};

function table(lines, i) {
  if (i + 1 >= lines.length || !lines[i].includes('|') || !lines[i + 1].includes('-')) return null;
  const head = cells(lines[i]);
  const marks = cells(lines[i + 1]);
  if (head.length !== marks.length || !marks.every((m) => /^:?-+:?$/.test(m))) return null;
  const align = marks.map((m) => (m.endsWith(':') ? (m.startsWith(':') ? 'center' : 'right') : 'left'));
  let j = i + 2;
  const rows = [];
  for (; j < lines.length && lines[j].trim() && lines[j].includes('|'); j++) {
    const row = cells(lines[j]).slice(0, head.length);
    while (row.length < head.length) row.push('');
    rows.push(row);
  }
  return { type: 'table', head, align, rows, lines: j - i };
}

// starts reports whether a line ends a paragraph.
function starts(lines, i) {
  return /^ {0,3}(?:`{3,}|~{3,}|#{1,6}(?:[ \t]|$))/.test(lines[i]) || QUOTE.test(lines[i]) || ITEM.test(lines[i]) || rule(lines[i]) || table(lines.slice(i, i + 2), 0);
}

function paragraph(lines, i) {
  let j = i + 1;
  while (j < lines.length && lines[j].trim() && !starts(lines, j)) j++;
  return { type: 'text', text: lines.slice(i, j).map((l) => l.trim()).join('\n'), lines: j - i };
}

// render makes the element of a block.
export function render(b) {
  switch (b.type) {
    case 'code': return code(b);
    case 'heading': return el('h' + Math.min(b.level + 2, 6), {}, ...inline(b.text));
    case 'rule': return el('hr');
    case 'quote': return el('blockquote', {}, ...b.blocks.map(render));
    case 'list': return el(b.ordered ? 'ol' : 'ul', { start: b.ordered && b.start !== 1 ? b.start : null }, ...b.items.map((blocks) => el('li', {}, ...item(blocks, b.loose))));
    case 'table': {
      const row = (tag, texts) => el('tr', {}, ...texts.map((t, k) => el(tag, { class: b.align[k], scope: tag === 'th' ? 'col' : null }, ...inline(t))));
      return el('div', { class: 'table', tabindex: 0, role: 'region', 'aria-label': 'Table' }, el('table', {}, el('thead', {}, row('th', b.head)), el('tbody', {}, ...b.rows.map((r) => row('td', r)))));
    }
    default: return el('p', {}, ...inline(b.text));
  }
}

// item leaves the paragraphs of a tight list out.
function item(blocks, loose) {
  return blocks.flatMap((b) => (!loose && b.type === 'text' ? inline(b.text) : [render(b)]));
}

function code(b) {
  const text = el('code', {}, b.text);
  const button = action('copy', 'Copy code', () => copy(text.textContent, button));
  return el('div', { class: 'code' }, el('div', { class: 'code-head' }, el('span', {}, b.language || 'code'), button), el('pre', { tabindex: 0 }, text));
}

// inline makes the nodes of a text.
export function inline(s, depth = 0) {
  const out = [];
  const dead = new Set(); // marks that nothing closes from here on
  let plain = '';
  const flush = () => { if (plain) out.push(...breaks(plain)); plain = ''; };
  const put = (node) => { flush(); out.push(node); };
  const special = /[\\`*_~[!<]|https?:\/\//g;
  for (let i = 0; i < s.length;) {
    special.lastIndex = i;
    const m = special.exec(s);
    if (!m) { plain += s.slice(i); break; }
    plain += s.slice(i, m.index);
    i = m.index;
    const found = depth > DEEPEST ? null : one(s, i, depth, dead);
    if (found) {
      if (typeof found.node === 'string') plain += found.node;
      else put(found.node);
      i = found.end;
    } else {
      // A run of marks that opens nothing is taken as a whole.
      let n = 1;
      while ('*_~`'.includes(s[i]) && s[i + n] === s[i]) n++;
      plain += s.slice(i, i + n);
      i += n;
    }
  }
  flush();
  return out;
}

const breaks = (t) => t.split('\n').flatMap((line, k) => (k ? [el('br'), line] : [line])).filter((x) => x !== '');

// one reads what begins at i: {node, end}, or null.
function one(s, i, depth, dead) {
  switch (s[i]) {
    case '\\': return /[\\`*_~[\]!<>#|(){}+\-.]/.test(s[i + 1] ?? '') ? { node: s[i + 1], end: i + 2 } : null;
    case '`': return span(s, i, dead);
    case '*': case '_': case '~': return emphasis(s, i, depth, dead);
    case '!': return s[i + 1] === '[' ? link(s, i + 1, depth, dead, true) : null;
    case '[': return link(s, i, depth, dead, false);
    case '<': {
      const m = /<(https?:\/\/[^\s<>]{1,600})>/y;
      m.lastIndex = i;
      const f = m.exec(s);
      return f && anchor(f[1], [f[1]], m.lastIndex);
    }
    default: return bare(s, i);
  }
}

// codeEnd is where the code span that begins at i ends; -1 where it does not.
function codeEnd(s, i, dead) {
  let n = 1;
  while (s[i + n] === '`') n++;
  const mark = '`'.repeat(n);
  if (dead.has(mark)) return -1;
  for (let j = s.indexOf(mark, i + n); j >= 0; j = s.indexOf(mark, j)) {
    let k = n;
    while (s[j + k] === '`') k++;
    if (k === n) return j + n;
    j += k;
  }
  dead.add(mark);
  return -1;
}

function span(s, i, dead) {
  const end = codeEnd(s, i, dead);
  if (end < 0) return null;
  let n = 1;
  while (s[i + n] === '`') n++;
  const text = s.slice(i + n, end - n).replace(/\n/g, ' ');
  return { node: el('code', {}, text.trim() && text.startsWith(' ') && text.endsWith(' ') ? text.slice(1, -1) : text), end };
}

const TAGS = { '*': 'em', _: 'em', '**': 'strong', __: 'strong', '~~': 'del' };

function emphasis(s, i, depth, dead) {
  const c = s[i];
  let run = 1;
  while (s[i + run] === c) run++;
  const mark = run >= 2 ? c + c : c;
  const word = /[\p{L}\p{N}]/u;
  if (!TAGS[mark] || dead.has(mark) || run > 3 || !s[i + run]?.trim() || (c === '_' && word.test(s[i - 1] ?? ''))) return null;
  for (let j = i + mark.length + (run === 3 ? 1 : 0); j < s.length; j++) {
    if (s[j] === '\\') { j++; continue; }
    if (s[j] === '`') { const e = codeEnd(s, j, dead); if (e > 0) j = e - 1; continue; }
    if (s[j] !== c) continue;
    let n = 1;
    while (s[j + n] === c) n++;
    const fits = s[j - 1].trim() && (c !== '_' || !word.test(s[j + n] ?? '')) && (n === mark.length || n === 3);
    if (fits && j > i + mark.length) {
      const end = n === 3 && mark.length === 2 ? j + 1 : j; // ***both*** closes the inner one first
      return { node: el(TAGS[mark], {}, ...inline(s.slice(i + mark.length, end), depth + 1)), end: end + mark.length };
    }
    j += n - 1;
  }
  dead.add(mark);
  return null;
}

function link(s, i, depth, dead, image) {
  if (dead.has(']')) return null;
  let open = 0;
  let j = i;
  for (; j < s.length && j - i < LONGEST_LINK; j++) {
    if (s[j] === '\\') j++;
    else if (s[j] === '[') open++;
    else if (s[j] === ']' && --open === 0) break;
  }
  if (s[j] !== ']' || s[j + 1] !== '(') {
    if (s.indexOf(']', i) < 0) dead.add(']');
    return null;
  }
  const m = /\(\s{0,3}(?:<([^<>\n]{0,600})>|([^\s()]{0,600}(?:\([^\s()]{0,100}\)[^\s()]{0,200})?))(?:\s{1,3}(?:"[^"\n]{0,200}"|'[^'\n]{0,200}'))?\s{0,3}\)/y;
  m.lastIndex = j + 1;
  const f = m.exec(s);
  if (!f) return null;
  const text = s.slice(i + 1, j);
  return anchor(f[1] ?? f[2], image ? ['image: ' + (text || 'without a name')] : inline(text, depth + 1), m.lastIndex);
}

// bare is an address that stands in the text as it is.
function bare(s, i) {
  const m = /https?:\/\/[^\s<>"'`|]{1,600}/y;
  m.lastIndex = i;
  let url = m.exec(s)?.[0] ?? '';
  url = url.replace(/[.,;:!?*_~\]]{1,20}$/, '');
  if (url.endsWith(')') && !url.includes('(')) url = url.replace(/\){1,20}$/, '');
  return url.length > 8 ? anchor(url, [url], i + url.length) : null;
}

// anchor is a link, or its text alone where the address is none that may be followed.
function anchor(address, nodes, end) {
  let u = null;
  try { u = new URL(address); } catch { /* relative, or none */ }
  if (!u || !['http:', 'https:', 'mailto:'].includes(u.protocol)) return { node: el('span', { class: 'nolink', title: 'not a link: ' + address.slice(0, 200) }, ...nodes), end };
  return { node: el('a', { href: u.href, title: u.href, target: '_blank', rel: 'noopener noreferrer nofollow' }, ...nodes), end };
}

// View shows a text that grows: blocks that are as before stay.
export class View {
  constructor(root) { this.root = root; this.blocks = []; }

  update(text) {
    const next = parse(text);
    let i = 0;
    while (i < next.length && i < this.blocks.length && next[i].raw === this.blocks[i].raw && next[i].type === this.blocks[i].type) i++;
    const old = this.blocks[i];
    if (old?.type === 'code' && next[i]?.type === 'code' && next[i].language === old.language) { // a selection in it stays
      this.root.children[i].querySelector('code').textContent = next[i].text;
      i++;
    }
    while (this.root.children.length > i) this.root.lastElementChild.remove();
    this.root.append(...next.slice(i).map(render));
    this.blocks = next;
  }
}
