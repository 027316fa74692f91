import { expect, test } from '@jest/globals';
import { createTemplates } from '../../activities/nodes/template.js';
import type { Json } from '../../workflows/definition/values.js';
import { buildContext, failureOf } from './peers.js';

const templatesOf = (input: Json, secrets: Readonly<Record<string, string>> = { KEY: 'k-12345', OTHER: 'o-67890' }) =>
  createTemplates(buildContext('webhook', { url: 'https://example.com' }, { input, secrets }));
const render = (template: string, input: Json = {}): Promise<string> => templatesOf(input).render('text', template);

test('text without markers stays as it is', async () => {
  expect(await render('plain } text { with %')).toBe('plain } text { with %');
});

test('templates see the input, its text, the run and the step', async () => {
  const template =
    '{{ input.user.name | upcase }}|{{ text }}|{{ run.id }}|{{ step.id }}|{{ step.label }}|{{ input.gone }}';
  expect(await render(template, { text: 'hi', user: { name: 'Ann' } })).toBe('ANN|hi|run_1|step-2|Call|');
});

test('objects and lists show as JSON', async () => {
  expect(await render('{{ input }} {{ input.n }} {{ input.l }}', { n: 0, l: [1, false] })).toBe(
    '{"n":0,"l":[1,false]} 0 [1,false]',
  );
});

test('secrets go where the author wrote them, also inside Liquid blocks', async () => {
  expect(
    await render('{% if input.on %}a {{secret:KEY}} b {{ secret:OTHER }}{% endif %} {{secret:KEY}}', { on: true }),
  ).toBe('a k-12345 b o-67890 k-12345');
});

test('a secret in a branch not taken is never asked for', async () => {
  expect(await render('{% if input.on %}{{secret:GONE}}{% endif %}ok')).toBe('ok');
});

test.each(['{{secret:KEY}}', '{{ secret:KEY }}', "{{ 'x' }}{% raw %}", 'S00N0E'])(
  'input cannot name a secret or run Liquid: %s',
  async (evil) => {
    const text = await render('{{ input.said }} {{ input.said | append: "" }} {{ text }} {{secret:KEY}}', {
      said: evil,
      text: evil,
    });
    expect(text).toBe(`${evil} ${evil} ${evil} k-12345`);
  },
);

test('a secret whose value looks like a token or Liquid is put in as it is', async () => {
  const templates = templatesOf({}, { KEY: '{{secret:OTHER}} {{ run.id }} $& $1', OTHER: 'no' });
  expect(await templates.render('text', '<{{secret:KEY}}>')).toBe('<{{secret:OTHER}} {{ run.id }} $& $1>');
});

test('halves of a token in template and input do not meet', async () => {
  expect(await render('{{ "{" }}{secret:{{ input.name }}}}', { name: 'KEY' })).toBe('{{secret:KEY}}');
});

test('credentials take secrets alone, so Liquid inside them is text', async () => {
  expect(await templatesOf({}).fillSecrets('secret', 'a{{ run.id }}{{secret:KEY}}')).toBe('a{{ run.id }}k-12345');
});

test('a secret that is missing says so and is final', async () => {
  expect(await failureOf(render('{{secret:GONE}}'))).toMatchObject({ type: 'secret_missing', retryable: false });
});

test('an error of the secret store itself is not taken for a bad template', async () => {
  const down = new Error('database is away');
  const source = buildContext('webhook', { url: '' }, { secret: () => Promise.reject(down) });
  await expect(createTemplates(source).render('text', '{{secret:KEY}}')).rejects.toBe(down);
});

test.each([
  ['{{ input | nope }}', 'undefined filter: nope'],
  ['{% if input %}', 'tag {% if input %} not closed'],
  ['{{ input.a', 'not closed'],
  ['{{secret:bad name}}', 'text: The template'],
  ['{% include "/etc/passwd" %}', 'partials (include, render, layout) are not available'],
  ['{% render "../../package.json" %}', 'partials (include, render, layout) are not available'],
  ['{% layout "/etc/hostname" %}', 'partials (include, render, layout) are not available'],
  ['{% for i in (1..100000000) %}x{% endfor %}', 'memory alloc limit exceeded'],
  ['{{ "{{secret:KEY}}" | upcase }}', 'sends a secret through a filter'],
  ['{{ "{{secret:KEY}}" | nope }}', 'undefined filter'],
])('%s is refused with a sentence', async (template, problem) => {
  const failure = await failureOf(render(template));
  expect(failure).toMatchObject({ type: 'template_invalid', retryable: false });
  expect(failure.message).toContain(problem);
  expect(failure.message).not.toMatch(/k-12345|[0-9a-f]{32}/);
});

test('prototypes are out of reach', async () => {
  expect(await render('{{ input.constructor.name }}{{ input.__proto__ }}{{ run.toString }}')).toBe('');
});

test('a template that grows without bound is stopped', async () => {
  const template = '{% for i in (1..100000) %}{{ input.big }}{% endfor %}';
  expect(await failureOf(render(template, { big: 'x'.repeat(100_000) }))).toMatchObject({ type: 'template_invalid' });
});
