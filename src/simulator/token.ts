/**
 * The token of a simulated Discord that was not given any. It opens nothing else, so it is no
 * secret.
 */
export const SIMULATED_TOKEN = 'simulated-token';
