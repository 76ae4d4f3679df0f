# A worker whose ranks compute on the CPU. FEED=compat: stand-ins for TorchSharp, Orleans and gRPC, over Debian's libtorch;
# FEED=nuget: the real packages, which bring their own.
# docker build -f deploy/docker/worker-cpu.Dockerfile -t linformer-worker-cpu:0.1.0 .
ARG FEED=compat
ARG DEBIAN=debian:12-slim
# What TorchSharp's libraries run on: they need the C++ library of GCC 13.
ARG DEBIAN_NUGET=debian:13-slim
ARG SDK=mcr.microsoft.com/dotnet/sdk:10.0
ARG RUNTIME=mcr.microsoft.com/dotnet/aspnet:10.0

FROM ${SDK} AS sdk
FROM ${RUNTIME} AS dotnet
FROM ${DEBIAN} AS base-compat
FROM ${DEBIAN_NUGET} AS base-nuget

FROM ${DEBIAN} AS build
ARG FEED
COPY deploy/docker/packages.txt deploy/docker/install.sh /tmp/
RUN sh /tmp/install.sh /tmp/packages.txt runtime build "build-${FEED}"
COPY --from=sdk /usr/share/dotnet /usr/share/dotnet
ENV PATH=$PATH:/usr/share/dotnet DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
WORKDIR /source
COPY . .
RUN sh deploy/docker/publish.sh /opt/linformer "${FEED}" cpu

FROM ${DEBIAN} AS libraries
ARG FEED
COPY deploy/docker/packages.txt deploy/docker/install.sh deploy/docker/collect-libraries.sh /tmp/
RUN sh /tmp/install.sh /tmp/packages.txt runtime "runtime-${FEED}" libraries "libraries-${FEED}"
COPY --from=build /opt/linformer /opt/linformer
RUN sh /tmp/collect-libraries.sh /opt/linformer /collected

FROM base-${FEED}
ARG FEED
LABEL org.opencontainers.image.title="linformer-worker-cpu" \
      org.opencontainers.image.description="Worker of linformer: trains on the CPU" \
      org.opencontainers.image.version="0.1.0"
COPY deploy/docker/packages.txt deploy/docker/install.sh /tmp/
RUN sh /tmp/install.sh /tmp/packages.txt runtime "runtime-${FEED}" && rm /tmp/packages.txt /tmp/install.sh && mkdir /data && chown 10001:10001 /data
COPY --from=libraries /collected /usr/local/lib
RUN ldconfig
COPY --from=dotnet /usr/share/dotnet /usr/share/dotnet
COPY --from=build /opt/linformer /opt/linformer
COPY --chmod=755 deploy/docker/healthcheck.sh /usr/local/bin/healthcheck
# Diagnostics would open sockets in /tmp; nothing else writes outside of /data and /tmp.
ENV DOTNET_EnableDiagnostics=0 LINFORMER_DATA=/data
USER 10001:10001
VOLUME ["/data", "/tmp"]
EXPOSE 7072
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["healthcheck", "/healthz"]
ENTRYPOINT ["/opt/linformer/linformer"]
CMD ["worker", "--data=/data", "--health=*:7072"]
