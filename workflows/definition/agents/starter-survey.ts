import type { StarterAgent, Starters, StarterTool } from './starters.js';

/** A line: consent, a score, a reason, thanks. Each agent hands on once its flag is set. */

const welcome: StarterAgent = {
  name: 'survey_welcome',
  display_name: 'Survey welcome',
  description: 'Asks whether the person wants to take part.',
  config: {
    prompt: {
      system: [
        'You ask {{ user.name | default: "the person" }} to take part in a survey of two questions about {{ product }}.',
        'If they agree, call survey_agree. If they decline, call survey_decline at once and do not try to persuade them.',
        'If they ask: it takes a minute, answers are kept without their name, and they may stop at any time.',
      ].join('\n'),
      greeting:
        'Hello{% if user.name %} {{ user.name }}{% endif %}, do you have a minute for two questions about {{ product }}?',
      variables: [{ name: 'product', default: 'our service' }],
    },
    llm: { temperature: 0.3 },
    tools: ['survey_agree', 'survey_decline'],
    handoffs: [{ target_agent: 'survey_score', conditions: ['flags.consent'] }],
    session: { auto_disconnect_timeout: 300 },
  },
};

const score: StarterAgent = {
  name: 'survey_score',
  display_name: 'Survey score',
  description: 'Asks for a score from 0 to 10.',
  config: {
    prompt: {
      system: [
        'You ask one question: from 0 to 10, how likely is the person to recommend us to a friend?',
        'Keep a whole number with record_score. If they say "quite likely" or the like, ask for a number once.',
        'Do not comment on the number.',
      ].join('\n'),
      greeting: 'Thank you. From 0 to 10, how likely are you to recommend us to a friend?',
    },
    llm: { temperature: 0 },
    tools: ['record_score'],
    handoffs: [{ target_agent: 'survey_reason', conditions: ['flags.scored', 'has(context.score)'] }],
    session: { auto_disconnect_timeout: 300 },
  },
};

const reason: StarterAgent = {
  name: 'survey_reason',
  display_name: 'Survey reason',
  description: 'Asks why, unless the score says enough.',
  config: {
    prompt: {
      system: [
        'The person gave us {{ context.score }} of 10. You ask for the main reason.',
        'Keep what they say in their own words with record_reason. Ask once more only if the answer is empty.',
        'Do not defend the product and do not promise anything.',
      ].join('\n'),
      greeting: 'And what is the main reason for the {{ context.score }}?',
    },
    llm: { temperature: 0.2 },
    tools: ['record_reason'],
    handoffs: [{ target_agent: 'survey_thanks', conditions: ['{{flags.answered}}'] }],
    session: { auto_disconnect_timeout: 300 },
  },
};

const thanks: StarterAgent = {
  name: 'survey_thanks',
  display_name: 'Survey thanks',
  description: 'Thanks and ends the call.',
  config: {
    prompt: {
      system: [
        'The survey is over. Thank the person in one sentence and end the call.',
        '{% if flags.detractor %}They were not content: say that their answer is read by a person.{% endif %}',
      ].join('\n'),
    },
    session: { auto_disconnect_timeout: 120 },
  },
};

const agree: StarterTool = {
  name: 'survey_agree',
  description: 'The person agrees to take part.',
  config: { actions: [{ type: 'flag.set', flag: 'consent' }] },
};

const decline: StarterTool = {
  name: 'survey_decline',
  description: 'The person does not want to take part: ends the call.',
  config: {
    actions: [
      { type: 'flag.clear', flag: 'consent' },
      { type: 'end_call', message: 'That is no problem. Have a good day.', reason: 'declined' },
    ],
  },
};

const recordScore: StarterTool = {
  name: 'record_score',
  description: 'Keeps the score.',
  config: {
    parameters: [{ name: 'score', type: 'integer', required: true, description: '0 to 10' }],
    actions: [
      {
        type: 'condition',
        if: 'params.score >= 0 && params.score <= 10',
        then: [
          { type: 'context.set', key: 'score', value: 'params.score' },
          { type: 'flag.set', flag: 'scored' },
          { type: 'condition', if: 'params.score <= 6', then: [{ type: 'flag.set', flag: 'detractor' }] },
          { type: 'condition', if: 'params.score == 10', then: [{ type: 'flag.set', flag: 'delighted' }] },
        ],
        else: [{ type: 'respond', message: 'The score must be between 0 and 10.' }],
      },
    ],
  },
};

const recordReason: StarterTool = {
  name: 'record_reason',
  description: "Keeps the reason in the person's own words.",
  config: {
    parameters: [{ name: 'reason', type: 'string', required: true, description: 'As they said it' }],
    actions: [
      { type: 'context.set', key: 'reason', value: 'params.reason' },
      { type: 'flag.set', flag: 'answered' },
    ],
  },
};

export const survey: Starters = {
  agents: [welcome, score, reason, thanks],
  tools: [agree, decline, recordScore, recordReason],
  workflows: [
    {
      kind: 'agent_dag',
      slug: 'survey',
      name: 'Survey',
      description: 'Two questions in a row, and a reason only where the score leaves one open',
      document: {
        nodes: [
          { id: 'welcome', agent_name: 'survey_welcome', is_entry: true, is_exit: true, position: { x: 0, y: 0 } },
          { id: 'score', agent_name: 'survey_score', position: { x: 320, y: 0 } },
          {
            id: 'reason',
            agent_name: 'survey_reason',
            skip_condition: 'flags.delighted',
            position: { x: 640, y: 0 },
          },
          { id: 'thanks', agent_name: 'survey_thanks', is_exit: true, position: { x: 960, y: 0 } },
        ],
        connections: [
          { source_id: 'welcome', target_id: 'score' },
          { source_id: 'score', target_id: 'reason', context_passed: ['score'] },
          { source_id: 'reason', target_id: 'thanks', context_passed: ['score', 'reason'] },
        ],
        shared_context: [],
      },
    },
  ],
};
