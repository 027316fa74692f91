import type { StarterAgent, Starters, StarterTool } from './starters.js';

/** A diamond: intake goes to the resolver by the identity check, passed over by who gave the code before, or by the outage desk. */

const intake: StarterAgent = {
  name: 'support_intake',
  display_name: 'Support intake',
  description: 'Takes the problem down and decides who looks at it.',
  config: {
    prompt: {
      system: [
        'You take calls of customers who have a problem with the product.',
        'Find out what happens, since when, and how many people it stops from working; keep it with log_problem.',
        'If they give a support code by themselves, check it with verify_caller first.',
        'If nobody can work, or several callers have the same fault, hand over to outage_desk.',
        'Otherwise hand over to identity_check. Do not try to solve the problem yourself.',
      ].join('\n'),
      greeting: 'Support{% if user.name %}, hello {{ user.name }}{% endif %}. What is not working?',
    },
    llm: { temperature: 0.2 },
    tools: ['log_problem', 'verify_caller'],
    handoffs: [
      { target_agent: 'outage_desk', conditions: ['flags.outage'] },
      { target_agent: 'identity_check', conditions: ['context.problem', '!flags.outage'] },
    ],
    session: { auto_disconnect_timeout: 600 },
  },
};

const identityCheck: StarterAgent = {
  name: 'identity_check',
  display_name: 'Identity check',
  description: 'Makes sure that the caller is who they say they are.',
  config: {
    prompt: {
      system: [
        'Before anybody looks into an account, you make sure who is calling.',
        'Ask for the support code from the settings page and check it with verify_caller.',
        'After a wrong code ask once more. Never say what the right code is, nor parts of it.',
        'If the caller has no code, hand over to support_resolver, who then helps without looking into the account.',
      ].join('\n'),
      greeting: 'To look into your account I need the support code from your settings page.',
    },
    llm: { temperature: 0 },
    tools: ['verify_caller'],
    handoffs: [{ target_agent: 'support_resolver', conditions: ['flags.verified'] }],
    session: { auto_disconnect_timeout: 600 },
  },
};

const outageDesk: StarterAgent = {
  name: 'outage_desk',
  display_name: 'Outage desk',
  description: 'Speaks with callers who are hit by an outage.',
  config: {
    prompt: {
      system: [
        'You speak with callers while something is down for many of them.',
        '{% if context.problem %}They told us: {{ context.problem.summary }}.{% endif %}',
        'Say plainly that it is known and being worked on. Promise no time at which it will be over.',
        'Hand over to support_resolver when the caller needs a way to go on working meanwhile.',
      ].join('\n'),
    },
    llm: { temperature: 0.2 },
    handoffs: [{ target_agent: 'support_resolver' }],
    session: { auto_disconnect_timeout: 600 },
  },
};

const resolver: StarterAgent = {
  name: 'support_resolver',
  display_name: 'Resolver',
  description: 'Solves the problem step by step and closes the ticket.',
  config: {
    prompt: {
      system: [
        'You solve problems with the product together with the caller.',
        '{% if context.problem %}The problem: {{ context.problem.summary }}, severity {{ context.problem.severity }}.{% endif %}',
        '{% if flags.verified %}The caller is verified.{% else %}The caller is not verified: speak of nothing that is in an account.{% endif %}',
        'One step at a time: say what to do, wait for what comes of it, then go on.',
        'Once it works, or a colleague has to take over, close the call with close_ticket.',
      ].join('\n'),
    },
    llm: { temperature: 0.3 },
    tools: ['close_ticket'],
    session: { auto_disconnect_timeout: 900 },
  },
};

const logProblem: StarterTool = {
  name: 'log_problem',
  description: 'Writes the problem down, once it is known what happens and how bad it is.',
  config: {
    parameters: [
      { name: 'summary', type: 'string', required: true, description: 'What happens, in one sentence' },
      {
        name: 'severity',
        type: 'string',
        required: true,
        enum: ['question', 'hindered', 'outage'],
        description: 'outage: nobody can work',
      },
    ],
    actions: [
      {
        type: 'context.set',
        key: 'problem',
        value: { summary: '{{ params.summary }}', severity: '{{ params.severity }}' },
      },
      { type: 'context.set', key: 'notes[+]', value: '{{ params.severity }}: {{ params.summary }}' },
      {
        type: 'condition',
        if: 'params.severity == "outage"',
        then: [
          { type: 'flag.set', flag: 'outage' },
          { type: 'log', message: 'An outage was reported: {{ params.summary }}', level: 'warn' },
        ],
        else: [{ type: 'flag.clear', flag: 'outage' }],
      },
    ],
    on_success: [{ type: 'respond', message: 'I have written that down.' }],
  },
};

const verifyCaller: StarterTool = {
  name: 'verify_caller',
  description: 'Compares the support code with the one on record.',
  config: {
    parameters: [{ name: 'code', type: 'string', required: true, description: 'As the caller said it' }],
    actions: [
      {
        type: 'condition',
        if: 'has(user.support_code) && params.code == user.support_code',
        then: [
          { type: 'flag.set', flag: 'verified' },
          { type: 'respond', message: 'Thank you, that is right.' },
        ],
        else: [{ type: 'respond', message: 'That is not the code on record.' }],
      },
    ],
  },
};

const closeTicket: StarterTool = {
  name: 'close_ticket',
  description: 'Writes down how it was solved and ends the call.',
  config: {
    parameters: [
      { name: 'resolution', type: 'string', required: true, description: 'What solved it, or who takes over' },
    ],
    actions: [
      { type: 'context.set', key: 'resolution', value: 'params.resolution' },
      { type: 'context.set', key: 'notes[+]', value: 'closed: {{ params.resolution }}' },
      { type: 'end_call', message: 'Thank you for calling. Goodbye.', reason: 'resolved' },
    ],
  },
};

export const supportTriage: Starters = {
  agents: [intake, identityCheck, outageDesk, resolver],
  tools: [logProblem, verifyCaller, closeTicket],
  workflows: [
    {
      kind: 'agent_dag',
      slug: 'support-triage',
      name: 'Support triage',
      description: 'Takes a problem down, checks who is calling unless that is known, and solves it',
      document: {
        nodes: [
          { id: 'intake', agent_name: 'support_intake', is_entry: true, position: { x: 0, y: 120 } },
          {
            id: 'identity',
            agent_name: 'identity_check',
            skip_condition: '{{flags.verified}}',
            position: { x: 320, y: 0 },
          },
          { id: 'outage', agent_name: 'outage_desk', position: { x: 320, y: 240 } },
          { id: 'resolver', agent_name: 'support_resolver', is_exit: true, position: { x: 640, y: 120 } },
        ],
        connections: [
          { source_id: 'intake', target_id: 'identity' },
          { source_id: 'intake', target_id: 'outage' },
          { source_id: 'identity', target_id: 'resolver' },
          { source_id: 'outage', target_id: 'resolver' },
        ],
        shared_context: ['problem', 'notes', 'resolution'],
      },
    },
  ],
};
