FROM node:24
WORKDIR /app
COPY . .
# In the same step: what a later one removes still takes its space.
RUN npm ci && npm run build \
    && npm cache clean --force && rm -rf /var/lib/apt/lists/* /tmp/*
EXPOSE 3000
CMD ["node", "dist/server.js"]
