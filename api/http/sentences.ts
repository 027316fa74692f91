import type { z } from 'zod';

type Issue = z.core.$ZodRawIssue;

const units: Readonly<Record<string, string>> = {
  string: ' characters',
  array: ' items',
  set: ' items',
  object: ' fields',
};

const typeNames: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
  null: 'null',
};

type Sentence<Code extends Issue['code']> = (issue: Extract<Issue, { readonly code: Code }>) => string | undefined;

const sentences: { readonly [Code in Issue['code']]?: Sentence<Code> } = {
  invalid_type: ({ expected }) => `must be ${typeNames[expected] ?? expected}`,
  invalid_value: ({ values }) => choice(values),
  invalid_union: (issue) => ('options' in issue && Array.isArray(issue.options) ? choice(issue.options) : undefined),
  too_small: ({ origin, minimum: limit, inclusive }) =>
    bound(origin, { limit, words: inclusive === false ? 'more than' : 'at least' }),
  too_big: ({ origin, maximum: limit, inclusive }) =>
    bound(origin, { limit, words: inclusive === false ? 'less than' : 'at most' }),
};

/** What is wrong with a field, for schemas that do not say it themselves; the field's name goes in front. */
export const sentenceOf = (issue: Issue): string | undefined =>
  // -- reason: a record cannot say that the entry of a code takes the issue of that code
  (sentences[issue.code] as Sentence<Issue['code']> | undefined)?.(issue);

const choice = (values: readonly unknown[]): string =>
  `must be ${values.length > 1 ? 'one of ' : ''}${values.map(String).join(', ')}`;

function bound(origin: string, { limit, words }: { readonly limit: number | bigint; readonly words: string }): string {
  const unit = units[origin];
  return `must ${unit === undefined ? 'be' : 'have'} ${words} ${limit}${unit ?? ''}`;
}
