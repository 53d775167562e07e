/* Invented credentials in d.run's format. */

export const KEY = 'sk-UxO0kZv8mC1rT3qWn5bYd7fHj9LgPs2aE4iX6uN7ucU';
export const MASKED_KEY = 'sk-******7ucU';

export const OTHER_KEY = 'sk-b7Yp_Qe3Kd9Vw1Lz-5Hs8Gm2Rt6Xc4Nj0FaTiUoE1qZw';
export const MASKED_OTHER_KEY = 'sk-******1qZw';

export const TOKEN = 'eyJhbGciOi.Zm9vYmFy_dXNlcg.Qk1yT2NwLWJhcg4711';
