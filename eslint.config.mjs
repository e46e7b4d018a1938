// What eslint checks in all JavaScript of the repository.

import js from '@eslint/js'
import stylistic from '@stylistic/eslint-plugin'
import globals from 'globals'

const style = {
	'@stylistic/arrow-parens': ['error', 'always'],
	'@stylistic/arrow-spacing': 'error',
	'@stylistic/block-spacing': 'error',
	'@stylistic/brace-style': ['error', '1tbs', { allowSingleLine: true }],
	'@stylistic/comma-spacing': 'error',
	'@stylistic/comma-style': 'error',
	'@stylistic/eol-last': 'error',
	'@stylistic/function-call-spacing': 'error',
	'@stylistic/indent': ['error', 'tab', { SwitchCase: 1 }],
	'@stylistic/key-spacing': 'error',
	'@stylistic/keyword-spacing': 'error',
	'@stylistic/no-extra-semi': 'error',
	'@stylistic/no-multi-spaces': 'error',
	'@stylistic/no-multiple-empty-lines': ['error', { max: 1 }],
	'@stylistic/no-trailing-spaces': 'error',
	'@stylistic/quotes': ['error', 'single', { avoidEscape: true, allowTemplateLiterals: 'always' }],
	'@stylistic/semi': ['error', 'never'],
	'@stylistic/space-before-blocks': 'error',
	'@stylistic/space-infix-ops': 'error',
	'@stylistic/spaced-comment': 'error',
}

const rules = {
	eqeqeq: ['error', 'always', { null: 'ignore' }],
	'max-lines': ['error', 400],
	'no-console': 'off',
	'no-empty': ['error', { allowEmptyCatch: false }],
	'no-eval': 'error',
	'no-implicit-globals': 'error',
	'no-shadow': 'off',
	'no-unused-vars': ['error', { args: 'after-used', caughtErrors: 'none', ignoreRestSiblings: true }],
	'no-var': 'error',
	'object-shorthand': 'error',
	'prefer-const': 'error',
	'prefer-template': 'off',
}

const wordpress = { ajaxurl: 'readonly', heartbeatSettings: 'readonly', jQuery: 'readonly', wp: 'readonly', wpApiSettings: 'readonly' }

// Scripts that pages load as they are: there is no build.
const scripts = ['server/demosite/page/settings.js', 'integration/wordpress/**/*.js']

export default [
	{ ignores: ['client-js/dist/', 'integration/wordpress/heartbeatd/assets/heartbeat*.js', 'server/demosite/page/jquery.js', 'server/uplot/uplot.js', '.cache/'] },
	js.configs.recommended,
	{ plugins: { '@stylistic': stylistic }, rules: { ...rules, ...style }, linterOptions: { reportUnusedDisableDirectives: 'error' } },
	{ files: ['client-js/src/**'], languageOptions: { globals: globals.browser } },
	{
		files: ['client-js/*.mjs', 'client-js/test/**', 'integration/**', 'eslint.config.mjs'],
		// Tests run in Node, and pass functions to pages of WordPress.
		languageOptions: { globals: { ...globals.node, ...globals.browser, ...wordpress } },
	},
	{ files: ['server/**/*.js'], languageOptions: { globals: { ...globals.browser, ...wordpress } } },
	{
		files: scripts,
		languageOptions: { sourceType: 'script', globals: { ...globals.browser, ...wordpress } },
		// Other plugins may join these scripts with theirs into one file.
		rules: { '@stylistic/semi': ['error', 'always'] },
	},
]
