// A whole bot: it answers `ping` with `pong`.
//
//   npx spectacles run --simulate examples/ping-pong.mjs     a simulated Discord, no token needed
//   DISCORD_TOKEN=… npx spectacles run examples/ping-pong.mjs

export default function pingPong({ broker, rest }) {
  broker.on('MESSAGE_CREATE', async (message, { ack }) => {
    ack();
    if (message.content !== 'ping') return;
    await rest.post(`/channels/${message.channel_id}/messages`, { content: 'pong' });
  });
}
