export default { roots: ['<rootDir>/dist/test'], transform: {}, testEnvironment: 'node' };
