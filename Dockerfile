# One image for each service: docker build --target gateway|proxy|run .
FROM node:22-bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts && npm rebuild
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-bookworm-slim AS base
ENV NODE_ENV=production
COPY --from=build --chown=node:node /app/package.json /app/
COPY --from=build --chown=node:node /app/node_modules /app/node_modules
COPY --from=build --chown=node:node /app/dist /app/dist
COPY --from=build --chown=node:node /app/examples /app/examples
# The programs stand where the original's images have them. exec makes the service process 1, so that
# SIGTERM reaches it and sessions are kept.
RUN for service in gateway proxy; do \
    printf '#!/bin/sh\nexec node /app/dist/src/main.js %s "$@"\n' $service > /$service \
      && chmod 755 /$service; \
  done
USER node
# Where gateway.toml and proxy.toml are looked for.
WORKDIR /

FROM base AS gateway
ENTRYPOINT ["/gateway"]

FROM base AS proxy
ENTRYPOINT ["/proxy"]

FROM base AS run
WORKDIR /app
ENTRYPOINT ["node", "dist/src/main.js"]
CMD ["run"]
