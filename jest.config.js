export default {
  roots: ['<rootDir>/dist/test'],
  testMatch: ['**/*.test.js'],
  transform: {},
  testEnvironment: 'node',
  // each file spends much of its time on loading modules; the servers they share have work for no more
  maxWorkers: 2,
  // a module that was loaded is kept for good: a worker that has grown is replaced before it is slow
  workerIdleMemoryLimit: '1500MB',
  testTimeout: 30_000,
  globalSetup: '<rootDir>/dist/test/support/global-setup.js',
  globalTeardown: '<rootDir>/dist/test/support/global-teardown.js',
};
