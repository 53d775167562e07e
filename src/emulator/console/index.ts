export { consolePage } from './console-page.ts';
export { isLoopbackAddress, type LocalAccess, refuseForeign, signIn } from './local-access.ts';
