import type { ActivityKind } from '../../workflows/contract/activities.js';
import { ExpressionError, renderTemplate } from '../../workflows/definition/expressions.js';
import type { LlmRequest } from '../llm/port.js';
import type { NodeContext } from './context.js';
import { Fault, invalid } from './failure.js';
import { namesSecret } from './template.js';

/** Templates of what a model is told. A secret told to a model may be said to anybody, so there is none. */
export function createModelTemplates({
  names,
  node,
}: Pick<NodeContext<ActivityKind>, 'names' | 'node'>): (field: string, template: string) => string {
  const known = { ...names, step: { id: node.id, label: node.label } };
  return (field, template) => {
    if (namesSecret(template))
      throw invalid(Fault.templateInvalid, `${field}: a model is not told secrets; take the {{secret:...}} out.`);
    try {
      return renderTemplate(template, known);
    } catch (error) {
      if (error instanceof ExpressionError) throw invalid(Fault.templateInvalid, `${field}: ${error.message}`);
      throw error;
    }
  };
}

interface ModelConfig {
  readonly model?: string | undefined;
  readonly temperature?: number | undefined;
  readonly max_tokens?: number | undefined;
}

export const settingsOf = ({
  model,
  temperature,
  max_tokens: maxTokens,
}: ModelConfig): Pick<LlmRequest, 'model' | 'temperature' | 'maxTokens'> => ({
  ...(model === undefined ? {} : { model }),
  ...(temperature === undefined ? {} : { temperature }),
  ...(maxTokens === undefined ? {} : { maxTokens }),
});
