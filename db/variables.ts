import { z } from 'zod';

export type Environment = Readonly<Record<string, string | undefined>>;

/** A wrong or missing variable, as one sentence that names it and says what to give. Shown to the person, without a stack. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** Parses the variables of one process. An empty value counts as not set, as compose files write it. */
export function readVariables<Shape extends z.ZodRawShape>(
  shape: Shape,
  env: Environment,
): z.output<z.ZodObject<Shape>> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => (value ?? '').trim() !== ''));
  const result = z.object(shape).safeParse(given);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const name = String(issue?.path[0]);
  throw new SettingsError(`${name} ${issue?.message ?? 'is wrong'}${shown(name, given[name])}.`);
}

/** The message of a field: what to give, whether it is missing or wrong. */
export const hint = (expected: string): { error: (issue: { input?: unknown }) => string } => ({
  error: ({ input }) => (input === undefined ? `is not set: give ${expected}` : `must be ${expected}`),
});

export const wholeNumber = (min: number, max: number): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> =>
  z.string().transform((text, context) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    context.addIssue(`must be a whole number from ${min} to ${max}`);
    return z.NEVER;
  });

/** An amount of money, such as 0.15. */
export const amount = (): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> =>
  z.string().transform((text, context) => {
    if (/^\d{1,9}(\.\d{1,9})?$/.test(text)) return Number(text);
    context.addIssue('must be an amount such as 0.15');
    return z.NEVER;
  });

/** `true` or `false`; not set stays undefined, so that the reader of the setting chooses. */
export const flag = (): z.ZodOptional<
  z.ZodPipe<z.ZodEnum<{ true: 'true'; false: 'false' }>, z.ZodTransform<boolean>>
> =>
  z
    .enum(['true', 'false'], hint('true or false'))
    .transform((text) => text === 'true')
    .optional();

/** A list parted by commas or white space, empty when not set. */
export const list = (
  accepts: (item: string) => boolean,
  expected: string,
): z.ZodPipe<z.ZodDefault<z.ZodString>, z.ZodTransform<string[], string>> =>
  z
    .string()
    .default('')
    .transform((text, context) => {
      const items = text.split(/[\s,]+/);
      const kept = items.filter((item) => item !== '');
      if (kept.every(accepts)) return kept;
      context.addIssue(`must be ${expected}`);
      return z.NEVER;
    });

/** A secret's value is never repeated; any other helps to see the mistake. */
function shown(name: string, value: string | undefined): string {
  if (value === undefined || /KEY|TOKEN|PASSWORD|URL/.test(name)) return '';
  return `, not "${value}"`;
}
