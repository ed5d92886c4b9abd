# The operator as one static program in an empty image: docker build --tag ess-rollout:0.1.0 .
FROM rust:1.95-alpine AS build
# ring, the TLS provider, compiles C.
RUN apk add --no-cache musl-dev gcc make ca-certificates
WORKDIR /source
COPY . .
# Alpine's Rust builds for musl and links statically. The caches keep downloads and objects from one build to the
# next, hence the copy out of the target directory.
# Some kernels for arm64 have pages of 64 KiB; the allocator is built for the largest that it may meet.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    if [ "$(uname -m)" = aarch64 ]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; fi \
    && cargo build --locked --release --package ess-rollout --bin ess-rollout \
    && cp target/release/ess-rollout /ess-rollout

FROM scratch
# The clients verify the cloud's certificates with these.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /ess-rollout /ess-rollout
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/ess-rollout"]
CMD ["run"]
