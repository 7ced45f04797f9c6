"""Small templates for the interpreter: (template, context). Whole language:
operators, methods, filters, tests, scopes, white space."""

USERS = [
    {"name": "Bob", "age": 30, "tags": ["x", "y"], "addr": {"city": "Oslo"}},
    {"name": "alice", "age": 25, "tags": [], "addr": {"city": "Bern"}},
    {"name": "Carol", "age": 30, "tags": ["z"], "addr": {"city": "oslo"}},
]
CTX = {
    "users": USERS, "d": {"b": 1, "a": [1, 2.5, None, True], "items": 7, 3: "three"}, "s": "  Héllo, wörld 🙂  ",
    "n": 7, "neg": -7, "f": 2.5, "none_val": None, "t": True, "l": [3, 1, 2], "text": "one two three two",
    "big": 18446744073709551615, "html": "<a href=\"x\">T&C's</a>", "tree": [{"n": "a", "c": [{"n": "b", "c": []}, {"n": "c", "c": [{"n": "d", "c": []}]}]}],
}

EXPRESSIONS = r"""
7 // 2 ; -7 // 2 ; 7 // -2 ; 7 % 3 ; -7 % 3 ; 7 % -3 ; 7.5 // 2 ; -7.5 // 2 ; -7.5 % 2 ; 7.5 % -2 ; 1 / 2 ; 4 / 2
2 ** 10 ; 2 ** -1 ; 2 ** 0.5 ; 2 ** 3 ** 2 ; -2 ** 2 ; 1e3 ; 1e16 ; 1e-5 ; 123456789.125 ; 0.1 + 0.2 ; 1_000 ; 0x1f ; 0b101 ; 0o17
1e22 ; 1.0 ; 100000.0 ; 1e15 ; 1.5e300 * 1e10 ; 3 * 1.0 ; 10 - 2.0 ; 5 // 0.3 ; 5 % 0.3 ; 1 == 1.0 ; True == 1 ; 0 == False ; '1' == 1
True + True ; True * 3 ; 'a' * 3 ; 3 * 'ab' ; [1, 2] * 2 ; 2 * (1,) ; 'ab' * -1 ; [1] + [2] ; (1, 2) + (3,) ; 'a' + 'b' ; 'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1]
1 < 2 < 3 ; 1 < 2 > 3 ; 1 == 1 == 1 ; 'a' < 'b' ; [1, 2] < [1, 3] ; (1, 2) <= (1, 2) ; 1 in [1, 2] in [[1, 2]] ; 'a' in 'abc' ; 1 not in [2] ; 'b' in d ; 3 in d ; not 1 in [2]
none is none ; undefined_thing is defined ; undefined_thing == none ; undefined_thing == other_undefined ; undefined_thing in [1] ; 1 in undefined_thing ; not undefined_thing
true and 0 ; '' or 'x' ; [] or {} ; 0 or none ; 1 and 2 ; not [] ; 'x' if [] else 'y' ; 'x' if true ; 'x' if false ; ('x' if false) is defined ; 1 if 0 else 2 if 0 else 3
[] ; () ; {} ; [1, 'two', 3.0, none, true] ; (1,) ; (1, 2) ; {'a': 1, 'b': [2]} ; {1: 'x', 'k': none, true: 2} ; [[], [[]]] ; ['it\'s', "say \"x\"", 'both \' and "'] ; ['\n\t\\', 'é', '\x00\x7f', '\u200b']
(1, 2)[0] ; [1, 2, 3][-1] ; [1, 2, 3][5] is defined ; 'héllo'[1] ; 'héllo'[-1] ; d['b'] ; d.b ; d['items'] ; d[3] ; d.nope is defined ; d['nope'] is defined ; users[0].name ; users[0]['addr'].city ; users.0.name
l[::-1] ; l[1:] ; l[:-1] ; l[::2] ; l[-2:] ; l[5:] ; l[-10:2] ; l[2:0:-1] ; l[:0:-1] ; 'héllo'[::-1] ; 'abcdef'[1:5:2] ; 'abcdef'[-3:-1] ; 'abcdef'[::-2] ; (1, 2, 3)[1:] ; 'abc'[none:2]
s.strip() ; s.lstrip() ; s.rstrip() ; 'xxaxx'.strip('x') ; 'abcab'.lstrip('ba') ; 'path/'.rstrip('/') ; 'a b  c'.split() ; 'a,b,,c'.split(',') ; 'a,b,c'.split(',', 1) ; ' a  b '.split(' ') ; ' a b c '.split(none, 1) ; ''.split() ; ''.split(',')
'a,b,c'.rsplit(',', 1) ; ' a b '.rsplit() ; 'a b c'.rsplit(none, 1) ; 'a\nb\r\nc\n'.splitlines() ; 'a\nb'.splitlines(true) ; ''.splitlines() ; 'abc'.startswith('ab') ; 'abc'.startswith(('x', 'a')) ; 'abc'.startswith('b', 1) ; 'abc'.endswith('c') ; 'abc'.endswith(('a', 'bc'))
'aXbXc'.replace('X', '-') ; 'aXbXc'.replace('X', '-', 1) ; 'abc'.replace('', '.') ; ','.join(['a', 'b']) ; '-'.join('abc') ; ''.join([]) ; 'abc'.upper() ; 'ABC'.lower() ; 'hello world-foo it\'s'.title() ; 'hELLO wORLD'.capitalize() ; 'aBc'.swapcase() ; 'straße'.upper()
'hello'.find('l') ; 'hello'.find('z') ; 'hello'.rfind('l') ; 'héllo'.index('l') ; 'banana'.count('an') ; 'aaa'.count('aa') ; 'abc'.count('') ; 'hello'.find('l', 3) ; 'a-b-c'.partition('-') ; 'a-b-c'.rpartition('-') ; 'abc'.partition('x') ; 'abc'.removeprefix('a') ; 'abc'.removesuffix('c')
'12'.isdigit() ; 'a1'.isalnum() ; 'ab'.isalpha() ; ' '.isspace() ; 'AB'.isupper() ; 'ab'.islower() ; ''.isdigit() ; '7'.zfill(3) ; '-7'.zfill(4) ; 'a'.ljust(3) ~ '|' ; 'a'.rjust(3, '.') ; 'ab'.center(5, '*') ; 'a'.center(4, '*') ; 'abc'.center(6, '*')
'{} {}'.format(1, 'x') ; '{1} {0}'.format(1, 'x') ; '{a}-{b!r}'.format(a=1, b='q') ; '{:>5}|{:<5}|{:^5}'.format('a', 'b', 'c') ; '{:05d} {:+d} {:,}'.format(42, 7, 1234567) ; '{:.2f} {:.3e} {:g} {:%}'.format(3.14159, 12345.678, 0.0001, 0.25) ; '{{}}'.format() ; '{:x} {:#x} {:b} {:o} {:X}'.format(255, 255, 5, 8, 255) ; '{0.name} {0[age]}'.format(users[0]) is defined ; '{:*^9}'.format('mid') ; '{:.2}'.format('abc')
'%s is %d' % ('x', 3) ; '%s' % 'y' ; '%r' % 'y' ; '%5.2f|%-5s|%05d' % (3.14159, 'a', 42) ; '%%' % () ; '%(a)s' % {'a': 1} ; '%x %X %o %e %g' % (255, 255, 8, 1234.5, 0.5) ; '%s' % none ; '%d' % 3.9 ; '%i' % true
d.get('b') ; d.get('zz') ; d.get('zz', 4) ; d.keys() | list ; d.values() | list ; d.items() | list ; d.keys() ; d.items() ; d | length ; d | list ; dict(a=1, b=2) ; dict([('x', 1)]) ; dict({'a': 1}, b=3) ; dict.fromkeys(['a', 'b'], 0) ; dict.fromkeys('ab')
l.index(1) ; l.count(3) ; [1, 2, 1].count(1) ; (1, 2).index(2) ; l | first ; l | last ; [] | first is defined ; 'abc' | first ; 'abc' | last ; d | first ; l | length ; 'héllo' | length ; '' | count ; undefined_thing | length ; range(5) | length
range(3) | list ; range(1, 7, 2) | list ; range(5, 0, -2) | list ; range(3) ; range(0, 3, 2) ; range(5)[1] ; range(5)[-1] ; range(3)[1:] | list ; 2 in range(3) ; range(0) | list ; range(3) == range(0, 3)
-5 | abs ; -2.5 | abs ; f | round ; 2.675 | round(2) ; 3.5 | round ; 2.5 | round ; 42.55 | round(1, 'floor') ; 42.51 | round(1, 'ceil') ; 7 | round ; 1234 | round(-2) ; '3.7' | int ; '0x1f' | int(0, 16) ; 'ff' | int(base=16) ; 'abc' | int ; 'abc' | int(5) ; none | int ; 3.99 | int ; true | int ; ' 12 ' | int ; '1_000' | int ; '1e3' | int
'3.5' | float ; 'x' | float ; 'x' | float(1.5) ; 3 | float ; true | float ; 'inf' | float ; 'abc' | upper ; 'ABC' | lower ; 5 | upper ; none | lower ; 'hello wORLD-foo (bar)' | title ; 'foo BAR' | capitalize ; '' | capitalize ; '  x ' | trim ; 'xxaxx' | trim('x') ; 5 | string ; [1] | string ; none | string ; 1.0 | string
undefined_thing | default('x') ; none | default('x') ; '' | default('x', true) ; none | d('y', boolean=true) ; 0 | default(1) ; undefined_thing | default 
l | sort ; l | sort(reverse=true) ; ['b', 'A', 'c'] | sort ; ['b', 'A', 'c'] | sort(case_sensitive=true) ; users | sort(attribute='age') | map(attribute='name') | list ; users | sort(attribute='addr.city', reverse=true) | map(attribute='name') | list ; [[2, 'a'], [1, 'b']] | sort ; 'bca' | sort ; d.keys() | map('string') | sort
d.items() | list | length ; {'b': 1, 'A': 2} | dictsort ; {'b': 1, 'a': 2} | dictsort(by='value') ; {'b': 1, 'A': 2} | dictsort(true) ; {'b': 1, 'a': 2} | dictsort(reverse=true) ; {'x': 1} | items | list ; undefined_thing | items | list
users | map(attribute='name') | join(', ') ; users | map(attribute='zip', default='?') | list ; users | map(attribute='addr.city') | list ; users | map(attribute='tags.0', default='-') | list ; ['a', 'b'] | map('upper') | list ; [1, 2] | map('string') | join ; ['1', '2'] | map('int') | sum ; [[1, 2], [3]] | map('join', '-') | list ; [1, 2] | join ; [1, none, true] | join('|') ; 'abc' | join('-') ; users | join(', ', attribute='name') ; [] | join(',')
[0, 1, '', 'a', none] | select | list ; [0, 1, '', 'a'] | reject | list ; [1, 2, 3, 4] | select('even') | list ; [1, 2, 3, 4] | reject('odd') | list ; [1, 2, 3] | select('gt', 1) | list ; [1, 'a', none] | select('string') | list ; users | selectattr('tags') | map(attribute='name') | list ; users | selectattr('age', 'equalto', 30) | map(attribute='name') | list ; users | rejectattr('age', 'eq', 30) | map(attribute='name') | list ; users | selectattr('addr.city', 'in', ['Oslo']) | list | length ; [1, 2] | select('in', [2]) | list ; none | select | list ; none | map('upper') | list ; users | selectattr('nope', 'defined') | list
[1, 2, 3] | sum ; [1.5, 2] | sum ; users | sum(attribute='age') ; [] | sum ; [1] | sum(start=5) ; [3, 1] | max ; [3, 1] | min ; ['b', 'A'] | max ; ['b', 'A'] | min(case_sensitive=true) ; users | max(attribute='age') | string | length > 0 ; [] | max is defined ; [1, 1, 2, 'a', 'A'] | unique | list ; ['a', 'A'] | unique(true) | list ; users | unique(attribute='age') | map(attribute='name') | list
[1, 2, 3, 4, 5] | batch(2) | list ; [1, 2, 3] | batch(2, 0) | list ; [1, 2, 3, 4, 5] | slice(2) | list ; [1, 2, 3] | slice(2, 'x') | list ; 'abc' | reverse ; [1, 2, 3] | reverse | list ; (1, 2) | list ; 'ab' | list ; {'a': 1} | list
users | groupby('age') | map('first') | list ; users | groupby('addr.city') | map(attribute='grouper') | list ; users | groupby('age') | map(attribute='list') | map('length') | list
'a b c d' | wordcount ; 'hello big world' | truncate(9) ; 'hello big world' | truncate(9, true, '') ; 'hello big world' | truncate(9, false, '…', 0) ; 'a\nb\n\nc' | indent ; 'a\nb\n\nc' | indent(2, true) ; 'a\nb\n\nc' | indent(2, blank=true) ; 'a\nb' | indent('>> ') ; '' | indent(2, true) ; 'x' | center(5) ~ '|' ; 'aXa' | replace('a', 'b', 1) ; 5 | replace(5, 6) ; '%s-%s' | format(1, 2) ; '%(x)s' | format(x=3)
html | e ; html | escape | e ; html | safe ; html | forceescape ; (html | safe) ~ '<' ; '<b> a  <i>x</i>\n c </b><!-- z -->' | striptags ; 'a b/c&d=é' | urlencode ; {'a b': 1, 'c': 'x&y'} | urlencode ; {'a': 1, 'b': none, 'c': '<'} | xmlattr ; {'a': 1} | pprint ; [1, 'x'] | pprint ; ('<' | e) + '<' ; '<' + ('>' | safe) ; ('a' | safe).upper() ; ('<' | safe) is string ; (['<'] | join('<')) ; ('<x>' | e).replace('x', '&') ; 'x' | safe | length
d | tojson ; users | tojson(indent=2) ; [] | tojson(indent=2) ; {} | tojson ; html | tojson ; '\x00\x1f\x7f\u2028é🙂"\\/' | tojson ; 'é🙂' | tojson(ensure_ascii=true) ; [1.0, 1e20, 1e-7, 0.1, -0.0] | tojson ; {'b': 1, 'a': 2} | tojson(sort_keys=true) ; [1, [2, {'a': []}]] | tojson(indent=1) ; {'a': [1, 2]} | tojson(separators=(',', ':')) ; {'a': [1, 2]} | tojson(indent=2, separators=(', ', ' = ')) ; (1, 2) | tojson ; {1: 2, true: 3, none: 4, 1.5: 5} | tojson ; big | tojson ; none | tojson ; 'x' | tojson | upper ; {'a': 1} | tojson(indent='--')
1 is odd ; 2 is even ; 6 is divisibleby 3 ; 6 is divisibleby(4) ; 1 is number ; 1.5 is float ; 1 is float ; true is integer ; true is number ; true is boolean ; 1 is boolean ; 'a' is string ; 'a' is sequence ; 'a' is iterable ; 1 is iterable ; {} is mapping ; {} is sequence ; [] is sequence ; none is none ; 1 is not none ; 'a' is lower ; 'A' is upper ; 'a1' is lower ; '1' is lower ; 1 is sameas 1 ; true is sameas true ; 1 is sameas true ; 1 is eq 1 ; 1 is equalto 1 ; 2 is gt 1 ; 1 is lt(2) ; 1 is ge 1 ; 1 is ne 2 ; 1 is in [1] ; 'a' is in 'abc' ; range is callable ; 1 is callable ; 'upper' is filter ; 'nope' is filter ; 'odd' is test ; 'x' is escaped ; ('x' | e) is escaped ; true is true ; 1 is true ; false is false ; 0 is false ; undefined_thing is undefined ; undefined_thing is iterable ; undefined_thing is string ; undefined_thing is mapping ; undefined_thing is sequence ; d.items() is sequence ; d.keys() is iterable ; (l | map('string')) is iterable ; (l | map('string')) is sequence ; 1 is odd and 2 is even ; not 1 is even ; 1 is not odd
big ; big > 5 ; big == big ; [big, 1.5] | sort ; strftime_now('%d %b %Y %H:%M:%S %j %A %B %p %y %-d %e %U %W %w %%') ; namespace(a=1).a ; namespace({'x': 2}).x ; namespace() is mapping ; joiner() is callable ; 'a' 'b' "c" ; '\x41\u00e9\101\q' ; "tab\there" ; none ; true ; True ; None ; undefined_thing ; 'x'.nope is defined ; none.foo is defined ; [1, 2, 3,] ; {'a': 1,} ; (1, 2,) ; ((1)) ; [1, 2] | list | length + 1 ; -1 | abs ; - 1 ; +1 ; -n ; --n ; not not n ; 1 - -1 ; 2 - 1 - 1 ; 2 * 3 + 4 * 5 ; (2 + 3) * 4 ; 10 // 3 * 3 + 10 % 3 ; 'a' + 'b' * 2 ; 1 ~ 2 * 3 ; 'x' ~ 'y' | upper ; ('x' ~ 'y') | upper ; 'a' == 'a' and 'b' != 'c' ; l == [3, 1, 2] ; (1, 2) == [1, 2] ; {'a': 1, 'b': 2} == {'b': 2, 'a': 1} ; [1, [2]] != [1, [3]]
"""

# Expressions that must fail in both.
FAILING = r"""
1 + 'a' ; 'a' + 1 ; [1] + (2,) ; none + 1 ; undefined_thing + 1 ; undefined_thing.foo ; undefined_thing.foo.bar ; undefined_thing() ; d.nope.deeper ; 1 / 0 ; 1 // 0 ; 1 % 0 ; 1.0 / 0 ; 'a' < 1 ; none < 1 ; {} < {} ; 1 in 5 ; 1 in 'abc' ; none in 'abc' ; 5 | length ; none | length ; none | list ; 5 | join ; 'x'.nope() ; d.nope() ; l.nope() ; 'x'.split('') ; 'x'.index('z') ; l.index(99) ; range(1, 2, 0) ; range('a') ; 5() ; 'abc'() ; 1 | nofilter ; 1 is notest ; -'a' ; +'a' ; -none ; 'x' | int(0, 99, 1) ; dict(1) ; {[]: 1} ; {{}: 1} ; raise_exception('stop') ; 'a'.join([1]) ; 'a'.replace('b') ; '{}'.format() ; '{x}'.format() ; '%d' % 'a' ; '%s %s' % 'a' ; [3, 'a'] | sort ; undefined_thing | tojson ; range(3) | tojson ; none | items | list ; l[1.5:2] ; l['a'].x ; range(100001) | length ; range(10000000000) | list ; l.append(4) ; d.update({}) ; d.pop('b') ; 1 + 2 ~ 3 ; 'abc' | truncate(2) ; 2 - 'a' ; [1] - [1] ; 'a' * 'b' ; 'a' * 1.5 ; cycler() ; 1 is divisibleby 0 ; 'x' is divisibleby 2 ; users | map | list ; users | selectattr | list ; users | map('nofilter') | list ; l | select('notest') | list ; 1 | batch(2) | list ; (1).foo.bar ; d['nope']['x'] ; none['a']['b']
"""

STATEMENTS = [
    "{% for x in l %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.first }}/{{ loop.last }}/{{ loop.length }}/{{ loop.depth }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {{ loop.nextitem is defined }}{% endfor %}",
    "{% for x in [1, 1, 2] %}{{ loop.changed(x) }},{{ loop.cycle('a', 'b') }};{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}:{{ x }} {% else %}none{% endfor %}",
    "{% for x in l if x > 9 %}{{ x }}{% else %}none {{ x is defined }}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for (a, (b, c)) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [[1, 2], [3, 4]] recursive %}{{ a }}{{ b }}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}",
    "{% for t in tree recursive %}{{ loop.depth }}{{ t.n }}{% if t.c %}({{ loop(t.c) }}){% endif %}{% endfor %}",
    "{% for x in 'héy' %}{{ x }}.{% endfor %}{% for x in {} %}{% else %}E{% endfor %}{% for x in undefined_thing %}{% else %}U{% endfor %}",
    "{% set x = 1 %}{% for i in l %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}",
    "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% if false %}{% set n = 2 %}{% endif %}{{ n }}",
    "{% for i in [1, 2] %}{% if i == 1 %}{% set y = i %}{% endif %}{{ y is defined }}{% endfor %}",
    "{% for i in [1, 2] %}{{ n }}{% set n = i %}{{ n }};{% endfor %}{{ n }}",
    "{% set ns = namespace(x=0) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }} {{ ns['x'] }} {{ ns.nope is defined }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}{% set (c, d) = [3, 4] %}{{ c }}{{ d }}{% set e = 1, 2 %}{{ e }}",
    "{% set x %}a{{ n }}b{% endset %}[{{ x }}]{% set y | upper | replace('A', '<') %}a{% set z = 5 %}b{% endset %}[{{ y }}]{{ z is defined }}",
    "{% filter upper %}abc {{ n }} {% set q = 1 %}é{% endfilter %}{{ q is defined }}{% filter replace('a', 'b') | trim %}  banana {% endfilter %}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% set a = 5 %}{{ a }}{% endwith %}{{ a is defined }}{% with %}{% set k = 3 %}{{ k }}{% endwith %}{{ k is defined }}",
    "{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, c=3) }} {{ m(b=5, a=4) }} {{ m(1, 2, 3) }} {{ m() }}|{{ m.name }}",
    "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}{{ m(1) }}",
    "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(5) }}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}in {{ n }}{% endcall %}{% macro w(items) %}{% for i in items %}<{{ caller(i, loop.index) }}>{% endfor %}{% endmacro %}{% call(x, y) w(l) %}{{ x }}:{{ y }}{% endcall %}",
    "{% macro m() %}{{ caller is defined }}{% if caller %}{{ caller() }}{% endif %}{% endmacro %}{{ m() }}{% call m() %}x{% endcall %}",
    "{% macro outer() %}{% macro inner() %}I{{ n }}{% endmacro %}{{ inner() }}{{ inner() }}{% endmacro %}{{ outer() }}{{ inner is defined }}",
    "{% set v = 1 %}{% macro m() %}{{ v }}{% endmacro %}{{ m() }}{% set v = 2 %}{{ m() }}",
    "{% macro m(x) %}{% set v = x %}{{ v }}{% endmacro %}{% set v = 'o' %}{{ m('i') }}{{ v }}",
    "{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% macro m(a, b) %}{{ a }}-{{ b }}{% endmacro %}{{ m(*[1, 2]) }} {{ m(**{'a': 3, 'b': 4}) }} {{ m(5, *[6]) }} {{ m(7, **{'b': 8}) }}",
    "{% macro m() %}  x  {% endmacro %}[{{ m() | trim }}][{{ m() ~ 'y' }}]{{ m() is string }}",
    "{% generation %}a{% set g = 1 %}{{ n }}{% endgeneration %}{{ g is defined }}",
    "{% raw %}{{ x }} {% if %} {# c #}{% endraw %}|{%- raw -%}  {{ y }}  {%- endraw -%}  |",
    "  {% raw %}  a  \n  {% endraw %}  \nb",
    "{# comment #}a{#- c -#} b {# multi\nline #}\nc",
    "a\n{% if true %}\nb\n{% endif %}\nc\n",
    "a\n  {% if true %}  \n  b\n  {% endif %}\n  c\n\n",
    "  {%+ if true %}x{% endif +%}\ny\n  {{ n }}\n  {{- n -}}  \n z",
    "{%- if true -%}  x  {%- endif -%}  y  \n\n{%- set q = 1 +%}\nz",
    "a \t\n\u00a0{%- set q = 1 -%}\u00a0\u3000\nb",
    "x {# c #} \n  {# d #}\ny{% set a = 1 %} {% set b = 2 %}\n{% set c = 3 %}z",
    "a\r\nb\rc\n{{ 'x\ny' }}\n\n",
    "{% if n > 5 and n < 10 %}A{% elif n %}B{% else %}C{% endif %}{% if not n %}D{% elif none_val %}E{% else %}F{% endif %}",
    "{% if n == 7 %}{% if f %}X{% endif %}{% else %}Y{% endif %}{% if undefined_thing %}Z{% endif %}{% if undefined_thing is not defined %}W{% endif %}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set j = joiner('|') %}{{ j() }}{{ j() }}{{ j() }}{{ c.reset() }}{{ c.current }}",
    "{{ l | map('string') }}" if False else "{{ (l | map('string')) is iterable }}{% set g = l | map('string') %}{{ g | list }}{{ g | list }}{% if [] | select %}T{% endif %}",
    "{{ {'a': {'b': 1}}['a']['b'] }}{{{'k': 1}.k}}{{ '}}' }}{{ '%}' }}{{ \"{{\" }}",
    "{{ 1, 2 }}{{ (1, 2) }}{% set x = (1) %}{{ x }}{% set y = 1, %}{{ y }}",
    "{% set loop_messages = users %}{% for u in loop_messages %}{% set content = '[' + u['name'] + ' | ' + (u['age'] | string) + ']' %}{% if loop.index0 == 0 %}{% set content = '<s>' + content %}{% endif %}{{ content | trim }}{% endfor %}",
    "{%- for u in users -%}\n  {%- if u.tags -%}\n    {{- u.name -}}\n  {%- endif -%}\n{%- endfor -%}\n",
    "{% set x = [] %}{% set x = x + [1] %}{% for i in l %}{% set x = x + [i] %}{% endfor %}{{ x }}",
    "{% for g in users | groupby('age') %}{{ g.grouper }}:{% for u in g.list %}{{ u.name }},{% endfor %};{% endfor %}{% for age, us in users | groupby('age') %}{{ age }}{{ us | length }}{% endfor %}",
    "{% for a in [1, 2] %}{% for b in [1, 2] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% set outer = loop %}{% for b in [1] %}{{ outer.index }}{% endfor %}{% endfor %}",
    "{% set if = 2 %}{{ if }}{% set in = [1] %}{% if 1 in in %}y{% endif %}{% set is = 3 %}{{ is is number }}",
    "{{ namespace }}" if False else "{% set ns = namespace(a=1, b='x') %}{{ ns }}",
    "{% set ns = namespace(d={}) %}{% for i in l %}{% set ns.d = dict(ns.d, **{'k' ~ i: i}) %}{% endfor %}{{ ns.d }}",
    "{%set x=1%}{{x}}{%if x%}y{%endif%}{%-for i in[1]-%}{{i}}{%-endfor%}",
]

BAD_SYNTAX = [
    "{{ x", "{% if %}", "{% if x %}", "{% endif %}", "{{ 1 + }}", "{{ (1 }}", "{{ 'a }}", "{% for x %}{% endfor %}", "{% for x in %}{% endfor %}", "{% nope %}",
    "{# a", "{% raw %}x", "{{ [1, 2 }}", "{{ {1 } }}", "{% set x %}", "{% set 1 = 2 %}", "{{ a..b }}", "{{ a[] }}", "{{ a | }}", "{{ a is }}", "{% macro %}{% endmacro %}",
    "{% break %}", "{% else %}", "{% set true = 1 %}", "{{ f(a=1, 2) }}", "{% macro m(a=1, b) %}{% endmacro %}", "{{ ) }}", "{{ }}", "{% call x %}{% endcall %}", "{{ $ }}", "{% if x %}{% else %}{% else %}{% endif %}",
    "{% for x in y %}{% endif %}", "{% block a %}", "{{ 1 2 }}", "{{ a b }}", "{% set x = %}", "{% set a.b.c = 1 %}", "{% filter %}x{% endfilter %}", "{{ *a }}", "{{ a if }}",
]
