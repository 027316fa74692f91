import { createOpenAiProvider } from './openai.js';
import { observed } from './observed.js';
import type { LlmPort, LlmSettings } from './port.js';
import { scriptedProvider } from './scripted.js';

/** The one way to the configured model; each call is measured and traced. */
export const createLlmPort = (settings: LlmSettings): LlmPort => observed(providerOf(settings));

function providerOf({ baseUrl, apiKey, model }: LlmSettings): LlmPort {
  if (baseUrl !== undefined && baseUrl !== '') return createOpenAiProvider({ baseUrl, apiKey, model });
  if (apiKey === undefined || apiKey === '') return scriptedProvider;
  throw new Error(
    'KEELSON_LLM_API_KEY is set but KEELSON_LLM_BASE_URL is not; set the address of the model endpoint too',
  );
}
