# The coordinator: no tensors, so neither libtorch nor any other library of its own.
# FEED=compat: stand-ins for Orleans and gRPC; FEED=nuget: the real packages.
# docker build -f deploy/docker/coordinator.Dockerfile -t linformer-coordinator:0.1.0 .
ARG FEED=compat
ARG DEBIAN=debian:12-slim
ARG SDK=mcr.microsoft.com/dotnet/sdk:10.0
ARG RUNTIME=mcr.microsoft.com/dotnet/aspnet:10.0

FROM ${SDK} AS sdk
FROM ${RUNTIME} AS dotnet

FROM ${DEBIAN} AS build
ARG FEED
COPY deploy/docker/packages.txt deploy/docker/install.sh /tmp/
RUN sh /tmp/install.sh /tmp/packages.txt runtime build "build-${FEED}"
COPY --from=sdk /usr/share/dotnet /usr/share/dotnet
ENV PATH=$PATH:/usr/share/dotnet DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
WORKDIR /source
COPY . .
RUN sh deploy/docker/publish.sh /opt/linformer "${FEED}" cpu && sh deploy/docker/without-tensors.sh /opt/linformer

FROM ${DEBIAN}
LABEL org.opencontainers.image.title="linformer-coordinator" \
      org.opencontainers.image.description="Coordinator of linformer: schedules training jobs over workers" \
      org.opencontainers.image.version="0.1.0"
COPY deploy/docker/packages.txt deploy/docker/install.sh /tmp/
RUN sh /tmp/install.sh /tmp/packages.txt runtime && rm /tmp/packages.txt /tmp/install.sh && mkdir /data && chown 10001:10001 /data
COPY --from=dotnet /usr/share/dotnet /usr/share/dotnet
COPY --from=build /opt/linformer /opt/linformer
COPY --chmod=755 deploy/docker/healthcheck.sh /usr/local/bin/healthcheck
# Diagnostics would open sockets in /tmp; nothing else writes outside of /data and /tmp.
ENV DOTNET_EnableDiagnostics=0 LINFORMER_DATA=/data
USER 10001:10001
VOLUME ["/data", "/tmp"]
EXPOSE 7070 7072 7080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["healthcheck", "/healthz"]
ENTRYPOINT ["/opt/linformer/linformer"]
# For this container alone; what others reach needs TLS or --authentication, see docs/security.md.
CMD ["coordinator", "--data=/data", "--listen=localhost:7070", "--http=localhost:7080", "--health=*:7072"]
