import { describe, expect, test } from '@jest/globals';
import { diffDocuments } from '../../api/services/diff.js';
import type { Json } from '../../workflows/definition/values.js';

const none = { added: [], removed: [], changed: [] };

describe('graphs', () => {
  const base: Json = {
    engine: 'automation',
    nodes: [
      { id: 'a', type: 'start', config: {} },
      { id: 'b', type: 'http', config: { url: 'https://one.example', headers: { 'x/y': '1' } } },
    ],
    edges: [{ source: 'a', target: 'b' }],
  };

  test('a document does not differ from itself', () => {
    expect(diffDocuments('workflow', base, base)).toEqual({ nodes: none, edges: none, settings: [] });
  });

  test('nodes, edges and settings are told apart, each change by its pointer', () => {
    const next: Json = {
      engine: 'studio',
      nodes: [
        { id: 'b', type: 'http', config: { url: 'https://two.example', headers: { 'x/y': '2' } } },
        { id: 'c', type: 'end', config: {} },
      ],
      edges: [{ id: 'go', source: 'b', target: 'c' }],
    };
    expect(diffDocuments('workflow', base, next)).toEqual({
      nodes: {
        added: [{ id: 'c', type: 'end', config: {} }],
        removed: [{ id: 'a', type: 'start', config: {} }],
        changed: [
          {
            id: 'b',
            changes: [
              { pointer: '/config/url', from: 'https://one.example', to: 'https://two.example' },
              { pointer: '/config/headers/x~1y', from: '1', to: '2' },
            ],
          },
        ],
      },
      edges: {
        added: [{ id: 'go', source: 'b', target: 'c' }],
        removed: [{ id: 'a->b', source: 'a', target: 'b' }],
        changed: [],
      },
      settings: [{ pointer: '/engine', from: 'automation', to: 'studio' }],
    });
  });

  test('edges alike are told apart by number', () => {
    const edge = { source: 'a', target: 'b', label: 'yes' };
    const twice = { nodes: [], edges: [edge, { ...edge, priority: 2 }] };
    expect(diffDocuments('workflow', { nodes: [], edges: [edge] }, twice).edges.added).toEqual([
      { ...edge, priority: 2, id: 'a->b:yes#2' },
    ]);
  });
});

describe('chains', () => {
  const step = (label: string, config: Json = {}): Json => ({ kind: 'notify', label, config });

  test('a step put in between leaves the others what they were', () => {
    const from = { name: 'c', primary_steps: [step('one'), step('two')], branches: [] };
    const to = { name: 'c', primary_steps: [step('one'), step('new'), step('two', { text: 'x' })], branches: [] };
    expect(diffDocuments('chain', from, to)).toEqual({
      nodes: {
        added: [{ id: 'primary_steps/+1', kind: 'notify', label: 'new', config: {} }],
        removed: [],
        changed: [{ id: 'primary_steps/1', changes: [{ pointer: '/config/text', from: null, to: 'x' }] }],
      },
      edges: none,
      settings: [],
    });
  });

  test('a step renamed in its place is a change; a branch is known by its name', () => {
    const from = { name: 'c', primary_steps: [step('one')], branches: [{ name: 'refund', steps: [step('pay')] }] };
    const to = { name: 'd', primary_steps: [step('uno')], branches: [{ name: 'return', steps: [step('pay')] }] };
    expect(diffDocuments('chain', from, to)).toMatchObject({
      nodes: {
        added: [{ id: 'branches/return/+0' }],
        removed: [{ id: 'branches/refund/0' }],
        changed: [{ id: 'primary_steps/0', changes: [{ pointer: '/label', from: 'one', to: 'uno' }] }],
      },
      settings: [{ pointer: '/name' }, { pointer: '/branches', from: ['refund'], to: ['return'] }],
    });
  });
});
