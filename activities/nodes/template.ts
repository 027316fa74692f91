import { randomUUID } from 'node:crypto';
import { Liquid } from 'liquidjs';
import { textOf, type Json } from '../../workflows/definition/values.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { Fault, invalid } from './failure.js';

/** What the templates of one step see and may use. */
export interface TemplateSource {
  readonly run: RunRef;
  readonly node: { readonly id: string; readonly label: string };
  readonly input: Json;
  readonly secret: (name: string) => Promise<string>;
}

/** `field` names the template in errors. */
export interface Templates {
  /** Liquid and `{{secret:NAME}}`. */
  readonly render: (field: string, template: string) => Promise<string>;
  /** `{{secret:NAME}}` alone, for values that are credentials themselves. */
  readonly fillSecrets: (field: string, text: string) => Promise<string>;
}

const RENDERED_LIMIT = 4 * 1024 * 1024;
const secretToken = /\{\{\s*secret:\s*([A-Za-z0-9_.-]{1,128})\s*\}\}/g;

/** `{{ input }}` of an object shows its JSON rather than a class name. */
const textOfValue = (value: unknown): string => {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
};

const engine = new Liquid({
  ownPropertyOnly: true,
  strictFilters: true,
  // no partials: an empty set in memory in place of the disk
  templates: {},
  parseLimit: 256 * 1024,
  renderLimit: 1_000,
  memoryLimit: 32 * 1024 * 1024,
  outputEscape: (value: unknown) => textOfValue(value),
});

const hasMarkers = (template: string): boolean => template.includes('{{') || template.includes('{%');

interface Rendering {
  readonly field: string;
  readonly source: TemplateSource;
}

interface CutTemplate {
  readonly text: string;
  /** Placeholder to secret name. */
  readonly names: ReadonlyMap<string, string>;
  readonly nonce: string;
}

/** Placeholders carry a random part, so no input can name one; a secret is only ever put where the author wrote it. */
function cutSecrets(template: string): CutTemplate {
  const nonce = randomUUID().replaceAll('-', '');
  const names = new Map<string, string>();
  const text = template.replace(secretToken, (_token, name: string) => {
    const placeholder = `S${nonce}N${names.size}E`;
    names.set(placeholder, name);
    return placeholder;
  });
  return { text, names, nonce };
}

async function putSecrets(text: string, cut: CutTemplate, { field, source }: Rendering): Promise<string> {
  if (cut.names.size === 0) return text;
  const parts = text.split(new RegExp(`(S${cut.nonce}N\\d+E)`));
  if (parts.some((part) => !cut.names.has(part) && part.toLowerCase().includes(cut.nonce)))
    throw invalid(Fault.templateInvalid, `The template of ${field} sends a secret through a filter; use it as it is.`);
  const filled: string[] = [];
  for (const part of parts) {
    const name = cut.names.get(part);
    filled.push(name === undefined ? part : await source.secret(name));
  }
  return filled.join('');
}

const withTokens = (text: string, names: ReadonlyMap<string, string>): string =>
  [...names].reduce((shown, [placeholder, name]) => shown.replaceAll(placeholder, `{{secret:${name}}}`), text);

function scopeOf({ run, node, input }: TemplateSource): object {
  return { input, text: textOf(input), run: { id: run.runId }, step: { id: node.id, label: node.label } };
}

function renderLiquid({ text, names }: CutTemplate, { field, source }: Rendering): string {
  if (!hasMarkers(text)) return text;
  try {
    const rendered = String(engine.parseAndRenderSync(text, scopeOf(source)));
    if (rendered.length > RENDERED_LIMIT) throw new RangeError(`longer than ${RENDERED_LIMIT} characters`);
    return rendered;
  } catch (error) {
    const problem = withTokens(String(error), names);
    throw invalid(Fault.templateInvalid, `The template of ${field} cannot be rendered: ${problem}.`);
  }
}

export function createTemplates(source: TemplateSource): Templates {
  return {
    render: async (field, template) => {
      if (!hasMarkers(template)) return template;
      const cut = cutSecrets(template);
      return putSecrets(renderLiquid(cut, { field, source }), cut, { field, source });
    },
    fillSecrets: async (field, text) => {
      const cut = cutSecrets(text);
      return putSecrets(cut.text, cut, { field, source });
    },
  };
}
