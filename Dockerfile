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
WORKDIR /app
COPY --from=build --chown=node:node /app/package.json ./
COPY --from=build --chown=node:node /app/node_modules ./node_modules
COPY --from=build --chown=node:node /app/dist ./dist
COPY --from=build --chown=node:node /app/examples ./examples
USER node
# Exec form, so that SIGTERM reaches the service and sessions are kept.
ENTRYPOINT ["node", "dist/src/main.js"]

FROM base AS gateway
CMD ["gateway"]

FROM base AS proxy
CMD ["proxy"]

FROM base AS run
CMD ["run"]
