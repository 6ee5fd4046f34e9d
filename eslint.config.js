import { defineConfig } from 'eslint/config'
import { existsSync } from 'node:fs'
import tseslint from 'typescript-eslint'

// Examples with packages of their own: the types of what they import are known once those are installed.
const foreign = ['examples/fastify', 'examples/nestjs']
const unknown = foreign.filter((example) => !existsSync(`${import.meta.dirname}/${example}/node_modules`))

export default defineConfig(
  { ignores: ['**/build', 'dist', 'eslint.config.js', ...unknown] },
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      // A token, a plugin and their like are meant to have the name of their interface.
      '@typescript-eslint/no-redeclare': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `void` stands for "provides nothing" in generic positions.
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-generated-empty-object-type': 'off',
      // A signature is kept whole where its parameters are what a reader came for.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }]
    }
  },
  {
    // The handlers keep the form in which they were written for @matrixai/rpc.
    files: ['examples/calculator/handlers.ts'],
    rules: { '@typescript-eslint/require-await': 'off' }
  },
  {
    // Plain JavaScript, since the peers' packages, and so their types, are not always there.
    files: ['bench/peers/**'],
    extends: [tseslint.configs.disableTypeChecked],
    // What NestJS calls a module is an empty class.
    rules: { '@typescript-eslint/no-extraneous-class': 'off' }
  },
  {
    files: foreign.map((example) => `${example}/**`),
    rules: {
      // A module of Nest is a class with nothing but its decorator.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      // Nest declares options that are written as literals as classes.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // Plugins and routes of Fastify are asynchronous by their type, and its chains are awaited by the boot.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: 'test' },
            { from: 'package', package: 'fastify', name: 'register' }
          ]
        }
      ]
    }
  },
  {
    files: ['test/**'],
    rules: {
      // chai's assertions are expressions.
      '@typescript-eslint/no-unused-expressions': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off'
    }
  }
)
