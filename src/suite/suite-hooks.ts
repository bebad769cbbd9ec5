import { type TestAPI, afterAll, aroundAll, beforeAll } from 'vitest'

type Suite = Parameters<Parameters<typeof beforeAll>[0]>[1]

/**
 * Lets `test.beforeAll`, `test.afterAll` and `test.aroundAll` take what tests take, also those of a test that is made by `extend`.
 * vitest has them take fixtures of a whole file only (5.1), and a suite's cluster is none.
 */
export function withSuiteHooks<Context extends object>(test: TestAPI<Context>, context: () => Context): TestAPI<Context> {
  const { extend } = test
  return Object.assign(test, {
    // vitest reads the names of fixtures in the first argument of what it is given.
    beforeAll: (fn: (context: Context, suite: Suite) => unknown, timeout?: number) =>
      beforeAll(({}, suite) => fn(context(), suite), timeout),
    afterAll: (fn: (context: Context, suite: Suite) => unknown, timeout?: number) => afterAll(({}, suite) => fn(context(), suite), timeout),
    aroundAll: (fn: (runSuite: () => Promise<void>, context: Context, suite: Suite) => unknown, timeout?: number) =>
      aroundAll((runSuite, {}, suite) => fn(runSuite, context(), suite), timeout),
    extend: (...fixtures: unknown[]) => withSuiteHooks(Reflect.apply(extend, test, fixtures) as TestAPI<Context>, context),
  })
}
