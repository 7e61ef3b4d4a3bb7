/** The variables that point a program at a Discord of this machine. */
export function simulatedApi(port: number): {
  readonly DISCORD_API_SCHEME: string;
  readonly DISCORD_API_HOST: string;
} {
  return { DISCORD_API_SCHEME: 'http', DISCORD_API_HOST: `127.0.0.1:${port}` };
}
