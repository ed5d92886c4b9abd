# The operator as one static program in an empty image, and the emulated cloud in another:
#   docker build --tag ess-rollout:0.1.0 .
#   docker build --target ess-emulator --tag ess-emulator:0.1.0 .
# and for several platforms at once, each in an image of its own architecture (emulated where the machine has another):
#   docker buildx build --platform linux/amd64,linux/arm64 --tag ess-rollout:0.1.0 .
FROM rust:1.95-alpine AS source
# Of the commit: then the image of the same sources is the same.
ARG SOURCE_DATE_EPOCH=0
# ring, the TLS provider, compiles C; python3 writes down the licences of third parties.
RUN apk add --no-cache musl-dev gcc make ca-certificates python3
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo install --locked --debug --root /tools cargo-auditable@0.7.7
ENV PATH=/tools/bin:$PATH
WORKDIR /source
COPY . .

# Alpine's Rust builds for musl and links statically. The caches keep downloads and objects from one build to the
# next, hence the copy out of the target directory; of each architecture its own.
# Some kernels for arm64 have pages of 64 KiB; the allocator is built for the largest that it may meet.
# cargo-auditable puts the list of what is in the program into it, for scanners: they see nothing else in this image.
FROM source AS build
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=target-${TARGETARCH:-own},target=/source/target \
    if [ "$(uname -m)" = aarch64 ]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; fi \
    && RUSTFLAGS="--remap-path-prefix=/usr/local/cargo=/cargo" \
        cargo auditable build --locked --release --package ess-rollout --bin ess-rollout \
    && cp target/release/ess-rollout /ess-rollout \
    && hack/third-party licences ess-rollout "$(uname -m)-unknown-linux-musl" >/THIRD-PARTY-LICENCES

FROM source AS build-emulator
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=target-${TARGETARCH:-own},target=/source/target \
    RUSTFLAGS="--remap-path-prefix=/usr/local/cargo=/cargo" \
        cargo auditable build --locked --release --package ess-emulator-cli --bin ess-emulator \
    && cp target/release/ess-emulator /ess-emulator \
    && hack/third-party licences ess-emulator-cli "$(uname -m)-unknown-linux-musl" >/THIRD-PARTY-LICENCES

# docker run --publish 127.0.0.1:8080:8080 ess-emulator:0.1.0
# Another fixture: --volume "$PWD/fixture.yaml:/fixture.yaml:ro". The control API is for everybody who reaches the port.
FROM scratch AS ess-emulator
# For those of its commands that ask a real account.
COPY --from=source /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build-emulator /source/LICENSE /THIRD-PARTY-LICENCES /licenses/
COPY --from=build-emulator /source/crates/emulator/fixtures/demo.yaml /fixture.yaml
COPY --from=build-emulator /ess-emulator /ess-emulator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/ess-emulator"]
CMD ["--fixture", "/fixture.yaml", "--http", "0.0.0.0:8080"]

FROM scratch AS ess-rollout
# The clients verify the cloud's certificates with these.
COPY --from=source /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /source/LICENSE /THIRD-PARTY-LICENCES /licenses/
COPY --from=build /ess-rollout /ess-rollout
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/ess-rollout"]
CMD ["run"]
