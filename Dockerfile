# Hearth in an image that holds the program and nothing else.
#
#   docker build -t hearth .
#   docker run --network host -v hearth:/data hearth
#
# The relay needs its UDP ports as they are, and thousands of them: use the host's network rather than publishing each.

FROM rust:1.95-trixie AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nodejs npm \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /hearth
# The compiler of the image, whatever rust-toolchain.toml would fetch.
ENV RUSTUP_TOOLCHAIN=1.95.0 RUSTFLAGS="-C target-feature=+crt-static --cfg getrandom_backend=\"linux_getrandom\""

COPY Cargo.toml Cargo.lock build.rs ./
COPY .cargo .cargo
COPY src src
# Named one by one, so that neither node_modules nor an old dist comes along.
COPY web/package.json web/package-lock.json web/.npmr[c] web/index.html web/tsconfig.json web/vite.config.ts web/
COPY web/public web/public
COPY web/src web/src
# With the target named, the static C library goes into the program only and not into the compiler's plug-ins.
RUN cargo build --release --locked --target "$(rustc --print host-tuple)" \
    && install -D "target/$(rustc --print host-tuple)/release/hearth" /image/hearth \
    && install -d -m 0700 /image/own/data

FROM scratch
COPY --from=build /image/hearth /hearth
# What lies in a directory keeps its mode; the directory that is named doesn't.
COPY --from=build --chown=10001:10001 /image/own /
USER 10001:10001
ENV HEARTH_SERVER_DATA_DIR=/data
VOLUME /data
EXPOSE 8443/tcp 3478/udp 3478/tcp 5349/tcp
# The program asks itself: there is nothing else here that could.
HEALTHCHECK --interval=30s --timeout=15s --start-period=10s CMD ["/hearth", "health"]
ENTRYPOINT ["/hearth"]
