import { ConfigurationError } from '../errors/index.ts';

/** The parts of the surroundings that may or may not be there. */
interface Surroundings {
  readonly process?: { readonly env?: Readonly<Record<string, string | undefined>> };
  readonly window?: { readonly document?: unknown };
}

/** A variable of the process, where there is a process and it may be asked (Deno asks its user). */
function environmentVariable(name: string): string | undefined {
  try {
    return (globalThis as Surroundings).process?.env?.[name] || undefined;
  } catch {
    return undefined;
  }
}

/** What the caller gave, or else the environment variable. */
export function givenOrFromEnvironment<T>(
  given: T | undefined,
  option: string,
  variable: string,
): T | string {
  const value = given ?? environmentVariable(variable);
  if (value === undefined) {
    throw new ConfigurationError(`${option} is missing: give the option ${option} or set ${variable}`, {
      option,
    });
  }
  return value;
}

/** A page's visitors can read everything that the page knows, its credentials too. */
export function refuseBrowser(option: string, allowed: boolean | undefined): void {
  if (allowed === true || (globalThis as Surroundings).window?.document === undefined) return;
  throw new ConfigurationError(
    `this is a browser, where every visitor can read ${option}: make the call on a server, or set dangerouslyAllowBrowser if you know that nobody else opens this page`,
    { option: 'dangerouslyAllowBrowser' },
  );
}
