import type { Scheme } from './scheme.js';
import { discord, plainHmac, sharedSecret, twilio } from './own-rules.js';
import { genesys, github, keelson, lark, telegram } from './plain.js';
import { agentStudio, slack, standard, stripe, zendesk } from './timed.js';

/** Every way in which a webhook may prove where it comes from. There is none without a proof. */
export const providers = [
  'standard',
  'keelson',
  'github',
  'stripe',
  'slack',
  'discord',
  'telegram',
  'lark',
  'zendesk',
  'genesys',
  'twilio',
  'agent_studio',
  'hmac',
  'shared_secret',
] as const;
export type Provider = (typeof providers)[number];

const typed = {
  standard,
  keelson,
  github,
  stripe,
  slack,
  discord,
  telegram,
  lark,
  zendesk,
  genesys,
  twilio,
  agent_studio: agentStudio,
  hmac: plainHmac,
  shared_secret: sharedSecret,
} as const satisfies Readonly<Record<Provider, unknown>>;

/** By provider; settings are parsed by the scheme that is given them. */
// -- reason: a record cannot say that the settings of a key go to the scheme of that key; `settings` of it makes them
export const schemes = typed as unknown as Readonly<Record<Provider, Scheme<unknown>>>;

export { keelson } from './plain.js';
