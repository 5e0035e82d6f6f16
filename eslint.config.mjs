import eslint from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const clockRemedy = 'Time is an argument: take `now`, or a `Clock` from @entente/observability.';
const environmentRemedy = 'Only config.ts reads the environment; take what you need by constructor.';

const noWallClock = [
  { selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']", message: clockRemedy },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: clockRemedy },
];
const noClock = [
  ...noWallClock,
  { selector: "CallExpression[callee.object.name='performance'][callee.property.name='now']", message: clockRemedy },
];
const noEnvironment = [
  { selector: "MemberExpression[object.name='process'][property.name='env']", message: environmentRemedy },
];
const specs = [
  '**/*.spec.ts',
  '**/*.it-spec.ts',
  '**/*.e2e-spec.ts',
  '**/*.interop-spec.ts',
  'test/**/*.ts',
  '**/testing/**/*.ts',
];

export default defineConfig(
  globalIgnores(['**/dist/', '**/coverage/', '**/node_modules/']),
  {
    files: ['**/*.{ts,tsx}'],
    extends: [eslint.configs.recommended, tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    // A rule is changed here, with its reason, or obeyed; never switched off in place.
    linterOptions: { noInlineConfig: true },
    rules: {
      'no-restricted-syntax': ['error', ...noClock, ...noEnvironment],
      'no-console': 'error',
      eqeqeq: 'error',
      // A union that grows must break every switch that does not know the new member.
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: false }],
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }],
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'separate-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/only-throw-error': 'error',
      // Nest modules are empty classes under a decorator.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true, allowStaticOnly: true }],
      // An async method may fulfil an interface without awaiting anything.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/ban-ts-comment': [
        'error',
        { 'ts-expect-error': 'allow-with-description', minimumDescriptionLength: 10 },
      ],
      '@typescript-eslint/no-explicit-any': 'error',
    },
  },
  // The browser's monotonic clock measures how old a view is; the time of day comes from the server.
  {
    files: ['services/ops/console/**'],
    rules: { 'no-restricted-syntax': ['error', ...noWallClock, ...noEnvironment] },
  },
  { files: ['libs/observability/src/clock.ts'], rules: { 'no-restricted-syntax': ['error', ...noEnvironment] } },
  { files: ['**/config.ts'], rules: { 'no-restricted-syntax': ['error', ...noClock] } },
  {
    // Commands are the processes themselves: they hand their environment on, and measure elapsed time from outside.
    files: ['deploy/local/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...noWallClock] },
  },
  {
    // Programs of their own, outside this house.
    files: ['docs/examples/**/*.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    files: specs,
    rules: {
      'no-restricted-syntax': 'off',
      'no-console': 'off',
      // `expect(object.method)` and half-typed JSON answers are what specs are made of.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-base-to-string': 'off',
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    extends: [eslint.configs.recommended],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        performance: 'readonly',
        URL: 'readonly',
        module: 'writable',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        fetch: 'readonly',
        AbortSignal: 'readonly',
        Buffer: 'readonly',
      },
    },
  },
);
