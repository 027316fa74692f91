import { callStarters } from '../../workflows/definition/agents/starter-calls.js';

/** The ways through the agents that are shipped: what a user says, and what must come of it. */

export interface Answer {
  readonly agent: string;
  /** `greets`: taking over; `quotes`: the stand-in for a model tells what it was asked; `says`: words of a tool. */
  readonly how: 'greets' | 'quotes' | 'says';
  /** What is said; of `quotes` the tool whose result is told as well, or nothing. */
  readonly text: string;
}

export interface Step {
  readonly message: string;
  readonly answers: readonly Answer[];
}

export interface Walk {
  readonly name: string;
  readonly slug: 'front-desk' | 'support-triage' | 'survey';
  readonly user: Readonly<Record<string, string>>;
  readonly greeting: Answer;
  readonly steps: readonly Step[];
  /** The user hangs up, saying why, after the last step. */
  readonly hangup?: string;
  readonly end: { readonly status: string; readonly reason: string };
  /** In the workspace where the stand-in for a model is made to call tools with other values. */
  readonly isOther?: boolean;
}

const greets = (agent: string, text: string): Answer => ({ agent, how: 'greets', text });
const quotes = (agent: string, tool = ''): Answer => ({ agent, how: 'quotes', text: tool });
/** The stand-in's words wherever a tool wants some. */
const says = (agent: string, text = 'scripted'): Answer => ({ agent, how: 'says', text });
const say = (message: string, ...answers: readonly Answer[]): Step => ({ message, answers });

const byAgent = { status: 'completed', reason: 'agent' };
const hungUp = (hangup: string) => ({ hangup, end: { status: 'disconnected', reason: hangup } });

const desk = {
  slug: 'front-desk' as const,
  user: { name: 'Ada' },
  greeting: greets('receptionist', 'Hello Ada, this is our practice. How may I help you?'),
};
const bookingHears = greets('booking', 'You have reached the booking desk. Which day would suit you?');
const toBooking = say('handoff_to_booking', says('receptionist'), bookingHears);
const toBilling = say('handoff_to_billing', says('receptionist'), quotes('billing'));

const frontDesk: readonly Walk[] = [
  {
    ...{ ...desk, name: 'by booking, which hands over once the appointment is saved', end: byAgent },
    steps: [
      say('I am Ada, note_caller', quotes('receptionist', 'note_caller')),
      toBooking,
      say('save_appointment', quotes('booking', 'save_appointment'), quotes('farewell')),
      say('What was that?', quotes('farewell')),
      say('end_call', says('farewell')),
    ],
  },
  {
    ...{ ...desk, name: 'by booking, which is asked to hand over, and the caller hangs up' },
    ...hungUp('said it all'),
    steps: [
      say('Hello?', quotes('receptionist')),
      toBooking,
      say('handoff_to_farewell', says('booking'), quotes('farewell')),
      say('One more thing', quotes('farewell')),
    ],
  },
  {
    ...{ ...desk, name: 'to billing, which ends the call', end: byAgent },
    steps: [
      say('handoff_to_billing open_dispute', says('receptionist'), quotes('billing', 'open_dispute')),
      say('Anything else?', quotes('billing')),
      say('end_call', says('billing')),
    ],
  },
  {
    ...{ ...desk, name: 'by billing to farewell', end: byAgent },
    steps: [
      toBilling,
      say('open_dispute', quotes('billing', 'open_dispute')),
      say('handoff_to_farewell', says('billing'), quotes('farewell')),
      say('end_call', says('farewell')),
    ],
  },
  {
    ...{ ...desk, name: 'by billing and farewell to the end in one turn', end: byAgent },
    steps: [
      say('A moment please', quotes('receptionist')),
      say('I look for it', quotes('receptionist')),
      say('handoff_to_billing handoff_to_farewell end_call', says('receptionist'), says('billing'), says('farewell')),
    ],
  },
];

const support = {
  slug: 'support-triage' as const,
  user: { support_code: 'scripted' },
  greeting: greets('support_intake', 'Support. What is not working?'),
};
const asksForCode = greets(
  'identity_check',
  'To look into your account I need the support code from your settings page.',
);
const problem = say('log_problem', quotes('support_intake', 'log_problem'), asksForCode);
const close = say('close_ticket', says('support_resolver', 'Thank you for calling. Goodbye.'));
const resolved = { status: 'completed', reason: 'resolved' };

const supportTriage: readonly Walk[] = [
  {
    ...{ ...support, name: 'by the identity check without the right code', end: resolved, user: { support_code: 'x' } },
    steps: [
      problem,
      say('verify_caller', quotes('identity_check', 'verify_caller')),
      say('handoff_to_support_resolver', says('identity_check'), quotes('support_resolver')),
      close,
    ],
  },
  {
    ...{ ...support, name: 'by the identity check with the right code', end: byAgent },
    steps: [
      say('It is slow', quotes('support_intake')),
      problem,
      say('verify_caller', quotes('identity_check', 'verify_caller'), quotes('support_resolver')),
      say('end_call', says('support_resolver')),
    ],
  },
  {
    ...{ ...support, name: 'past the identity check, as the code was given before', end: resolved },
    steps: [
      say('verify_caller', quotes('support_intake', 'verify_caller')),
      say('log_problem', quotes('support_intake', 'log_problem'), quotes('support_resolver')),
      say('That did it', quotes('support_resolver')),
      close,
    ],
  },
  {
    ...{ ...support, name: 'by the outage desk, which is asked for', end: resolved },
    steps: [
      say('handoff_to_outage_desk', says('support_intake'), quotes('outage_desk')),
      say('How long?', quotes('outage_desk')),
      say('handoff_to_support_resolver', says('outage_desk'), quotes('support_resolver')),
      close,
    ],
  },
  {
    ...{ ...support, name: 'by the outage desk for an outage, and the caller hangs up', isOther: true },
    ...hungUp('will wait'),
    steps: [
      say('log_problem', quotes('support_intake', 'log_problem'), quotes('outage_desk')),
      say('handoff_to_support_resolver', says('outage_desk'), quotes('support_resolver')),
    ],
  },
];

const asked = {
  slug: 'survey' as const,
  user: { name: 'Bo' },
  greeting: greets('survey_welcome', 'Hello Bo, do you have a minute for two questions about our service?'),
};
const agree = say(
  'survey_agree',
  quotes('survey_welcome', 'survey_agree'),
  greets('survey_score', 'Thank you. From 0 to 10, how likely are you to recommend us to a friend?'),
);
const scored = say(
  'record_score',
  quotes('survey_score', 'record_score'),
  greets('survey_reason', 'And what is the main reason for the 0?'),
);

const survey: readonly Walk[] = [
  {
    ...{ ...asked, name: 'declined', end: { status: 'completed', reason: 'declined' } },
    steps: [
      say('How long does it take?', quotes('survey_welcome')),
      say('survey_decline', says('survey_welcome', 'That is no problem. Have a good day.')),
    ],
  },
  {
    ...{ ...asked, name: 'ended by the welcome', end: byAgent },
    steps: [
      say('Who is there?', quotes('survey_welcome')),
      say('Which product?', quotes('survey_welcome')),
      say('end_call', says('survey_welcome')),
    ],
  },
  {
    ...{ ...asked, name: 'through all questions', end: byAgent },
    steps: [
      agree,
      scored,
      say('record_reason', quotes('survey_reason', 'record_reason'), quotes('survey_thanks')),
      say('end_call', says('survey_thanks')),
    ],
  },
  {
    ...{ ...asked, name: 'past the reason, as the score says enough', end: byAgent, isOther: true },
    steps: [
      say('One question first', quotes('survey_welcome')),
      agree,
      say('record_score', quotes('survey_score', 'record_score'), quotes('survey_thanks')),
      say('end_call', says('survey_thanks')),
    ],
  },
  {
    ...{ ...asked, name: 'hung up before the reason' },
    ...hungUp('no time'),
    steps: [agree, say('Ten what?', quotes('survey_score')), scored],
  },
];

export const walks: readonly Walk[] = [...frontDesk, ...supportTriage, ...survey];

/** Tools of the other workspace: the stand-in for a model takes a default where there is one. */
export const otherDefaults: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  record_score: { score: 10 },
  log_problem: { severity: 'outage' },
};

/** The node at which an agent speaks. */
export function nodeOfAgent(slug: string, agent: string): string {
  const document = callStarters.workflows.find((workflow) => workflow.slug === slug)?.document;
  // -- reason: what is shipped is a document of agents
  const { nodes } = document as unknown as { readonly nodes: readonly { readonly id: string; agent_name: string }[] };
  return nodes.find(({ agent_name: name }) => name === agent)?.id ?? `no node of ${agent}`;
}
