import { modelSeconds, modelTokens } from '../../db/telemetry/metrics.js';
import { inSpan, SpanKind } from '../../db/telemetry/tracing.js';
import type { LlmCompletion, LlmPort, LlmRequest } from './port.js';

/** Measures and traces each call, by the names OpenTelemetry has for calls of models; what was said stays out of it. */
export const observed = ({ complete }: LlmPort): LlmPort => ({
  complete: (request) => {
    const asked = request.model ?? 'default';
    const attributes = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': asked };
    return inSpan({ name: `chat ${asked}`, kind: SpanKind.CLIENT, attributes }, async (span) => {
      const completion = await timed(complete, request);
      const { model, provider, usage } = completion;
      span.setAttributes({
        'gen_ai.response.model': model,
        'gen_ai.provider.name': provider,
        'gen_ai.usage.input_tokens': usage.input_tokens,
        'gen_ai.usage.output_tokens': usage.output_tokens,
      });
      return completion;
    });
  },
});

async function timed(complete: LlmPort['complete'], request: LlmRequest): Promise<LlmCompletion> {
  const startedAt = performance.now();
  const took = (): number => (performance.now() - startedAt) / 1_000;
  try {
    const completion = await complete(request);
    const { model, usage } = completion;
    modelSeconds.observe({ model, outcome: 'answered' }, took());
    modelTokens.inc({ model, direction: 'input' }, usage.input_tokens);
    modelTokens.inc({ model, direction: 'output' }, usage.output_tokens);
    return completion;
  } catch (error) {
    modelSeconds.observe({ model: request.model ?? 'default', outcome: 'failed' }, took());
    throw error;
  }
}
