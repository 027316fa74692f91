import { createOpenAiProvider } from './openai.js';
import type { LlmPort, LlmSettings } from './port.js';
import { scriptedProvider } from './scripted.js';

export function createLlmPort({ baseUrl, apiKey, model }: LlmSettings): LlmPort {
  if (baseUrl !== undefined && baseUrl !== '') return createOpenAiProvider({ baseUrl, apiKey, model });
  if (apiKey === undefined || apiKey === '') return scriptedProvider;
  throw new Error(
    'KEELSON_LLM_API_KEY is set but KEELSON_LLM_BASE_URL is not; set the address of the model endpoint too',
  );
}
