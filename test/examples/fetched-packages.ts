/**
 * Preloaded into a process with `node --import`. Makes the packages in the folder `FETCHED_PACKAGES` importable from the
 * examples.
 */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

const parentURL = pathToFileURL(`${process.env.FETCHED_PACKAGES}/package.json`).href;

registerHooks({
  resolve(specifier, context, nextResolve) {
    try {
      return nextResolve(specifier, context);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
      return nextResolve(specifier, { ...context, parentURL });
    }
  },
});
