import { z } from 'zod';
import type { PlainKind, StepOf } from './chain.js';
import { fieldsOf, type Field } from './fields.js';
import { Template } from './nodes/common.js';
import type { Json } from './values.js';

const turn = z.object({ message: Template, instructions: Template });

/** Which keys of a chain's own kinds are templates. */
const templates: { readonly [K in PlainKind]?: z.ZodType } = {
  assistant: turn,
  agent: turn,
  webhook: z.object({ url: Template, headers: z.record(z.string(), Template) }),
  notify: z.object({ to: Template, subject: Template, text: Template }),
  human: z.object({ prompt: Template }),
};

/** The templates in the configuration of a kind that only chains have. */
export function templateFields({ kind, config }: StepOf<PlainKind>): readonly Field[] {
  const schema = templates[kind];
  // -- reason: configurations are JSON that zod has read
  return schema === undefined ? [] : fieldsOf(schema, config as Json);
}
