import { randomUUID } from 'node:crypto';
import {
  evaluateExpr,
  ExpressionError,
  renderTemplate,
  resolveMapping,
  type Names,
} from '../../workflows/definition/expressions.js';
import type { Json } from '../../workflows/definition/values.js';
import { Fault, invalid } from './failure.js';

/** What the templates of one step see and may use. */
export interface TemplateSource {
  readonly node: { readonly id: string; readonly label: string };
  readonly names: Names;
  readonly secret: (name: string) => Promise<string>;
}

/** `field` names the template in errors. */
export interface Templates {
  /** Liquid and `{{secret:NAME}}`. */
  readonly render: (field: string, template: string) => Promise<string>;
  /** The same for each value of an object. */
  readonly renderAll: (
    field: string,
    templates: Readonly<Record<string, string>>,
  ) => Promise<Readonly<Record<string, string>>>;
  /** JSON whose strings are templates, with `{{secret:NAME}}`. */
  readonly resolve: (field: string, mapping: Json) => Promise<Json>;
  /** `{{secret:NAME}}` alone, for values that are credentials themselves. */
  readonly fillSecrets: (field: string, text: string) => Promise<string>;
  /** CEL. */
  readonly evaluate: (field: string, expr: string) => Json;
}

const secretToken = /\{\{\s*secret:\s*([A-Za-z0-9_.-]{1,128})\s*\}\}/g;

export const namesSecret = (template: string): boolean => template.search(secretToken) >= 0;

const hasMarkers = (template: string): boolean => template.includes('{{') || template.includes('{%');

interface Cut {
  /** Placeholder to secret name. */
  readonly names: Map<string, string>;
  readonly nonce: string;
}

const newCut = (): Cut => ({ names: new Map(), nonce: randomUUID().replaceAll('-', '') });

/** Placeholders carry a random part, so no input can name one; a secret is only ever put where the author wrote it. */
const cutText = (template: string, { names, nonce }: Cut): string =>
  template.replace(secretToken, (_token, name: string) => {
    const placeholder = `S${nonce}N${names.size}E`;
    names.set(placeholder, name);
    return placeholder;
  });

const isList = (json: Json): json is readonly Json[] => Array.isArray(json);

function mapTexts(json: Json, change: (text: string) => string): Json {
  if (typeof json === 'string') return change(json);
  if (json === null || typeof json !== 'object') return json;
  if (isList(json)) return json.map((each) => mapTexts(each, change));
  return Object.fromEntries(Object.entries(json).map(([key, each]) => [key, mapTexts(each, change)]));
}

/** Fails with a sentence that names the field and shows secrets by their names only. */
function inField<T>(field: string, cut: Cut, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    const said = [...cut.names].reduce(
      (shown, [placeholder, name]) => shown.replaceAll(placeholder, `{{secret:${name}}}`),
      error.message,
    );
    throw invalid(Fault.templateInvalid, `${field}: ${said}`);
  }
}

/** Puts the secrets in, asking only for those that are left in the text. */
function putSecrets(source: TemplateSource, field: string, cut: Cut): (text: string) => Promise<string> {
  const pattern = new RegExp(`(S${cut.nonce}N\\d+E)`);
  return async (text) => {
    if (cut.names.size === 0) return text;
    const parts = text.split(pattern);
    if (parts.some((part) => !cut.names.has(part) && part.toLowerCase().includes(cut.nonce)))
      throw invalid(
        Fault.templateInvalid,
        `The template of ${field} sends a secret through a filter; use it as it is.`,
      );
    const filled: string[] = [];
    for (const part of parts) {
      const name = cut.names.get(part);
      filled.push(name === undefined ? part : await source.secret(name));
    }
    return filled.join('');
  };
}

/** As `mapTexts`, for changes that take their time. */
async function mapTextsLater(json: Json, change: (text: string) => Promise<string>): Promise<Json> {
  if (typeof json === 'string') return change(json);
  if (json === null || typeof json !== 'object') return json;
  if (isList(json)) return Promise.all(json.map((each) => mapTextsLater(each, change)));
  const entries = Object.entries(json).map(async ([key, each]) => [key, await mapTextsLater(each, change)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

export function createTemplates(source: TemplateSource): Templates {
  const names: Names = { ...source.names, step: { id: source.node.id, label: source.node.label } };
  const render = async (field: string, template: string): Promise<string> => {
    if (!hasMarkers(template)) return template;
    const cut = newCut();
    const text = cutText(template, cut);
    const fill = putSecrets(source, field, cut);
    return fill(inField(field, cut, () => renderTemplate(text, names)));
  };
  return {
    render,
    renderAll: async (field, templates) => {
      const rendered: [string, string][] = [];
      for (const [name, template] of Object.entries(templates))
        rendered.push([name, await render(`${field}.${name}`, template)]);
      return Object.fromEntries(rendered);
    },
    resolve: async (field, mapping) => {
      const cut = newCut();
      const without = mapTexts(mapping, (text) => cutText(text, cut));
      const resolved = inField(field, cut, () => resolveMapping(without, names));
      return cut.names.size === 0 ? resolved : mapTextsLater(resolved, putSecrets(source, field, cut));
    },
    fillSecrets: async (field, text) => {
      const cut = newCut();
      const fill = putSecrets(source, field, cut);
      return fill(cutText(text, cut));
    },
    evaluate: (field, expr) => inField(field, newCut(), () => evaluateExpr(expr, names)),
  };
}
