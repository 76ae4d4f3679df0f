# A worker whose ranks compute on NVIDIA GPUs. The CUDA image brings NCCL; its driver comes from the node.
# docker build -f deploy/docker/worker-cuda.Dockerfile -t linformer-worker-cuda:0.1.0 .
ARG DEBIAN=debian:12-slim
# CUDA as TorchSharp-cuda-linux is built for. TorchSharp's own libraries have libtorch and cuDNN.
ARG CUDA=nvidia/cuda:12.8.1-base-ubuntu24.04
ARG NCCL=2.26.2-1+cuda12.8
ARG SDK=mcr.microsoft.com/dotnet/sdk:10.0
ARG RUNTIME=mcr.microsoft.com/dotnet/aspnet:10.0

FROM ${SDK} AS sdk
FROM ${RUNTIME} AS dotnet

FROM ${DEBIAN} AS build
COPY deploy/docker/packages.txt deploy/docker/install.sh /tmp/
RUN sh /tmp/install.sh /tmp/packages.txt runtime build build-nuget
COPY --from=sdk /usr/share/dotnet /usr/share/dotnet
ENV PATH=$PATH:/usr/share/dotnet DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
WORKDIR /source
COPY . .
RUN sh deploy/docker/publish.sh /opt/linformer nuget cuda
# Gloo, for what the ranks do on the host.
COPY deploy/docker/collect-libraries.sh /tmp/
RUN mkdir /gloo && cp /opt/linformer/liblinformer_native.so /gloo && sh /tmp/collect-libraries.sh /gloo /collected

FROM ${CUDA}
ARG NCCL
LABEL org.opencontainers.image.title="linformer-worker-cuda" \
      org.opencontainers.image.description="Worker of linformer: trains on NVIDIA GPUs" \
      org.opencontainers.image.version="0.1.0"
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates libgomp1 libssl3 libstdc++6 zlib1g "libnccl2=${NCCL}" \
 && apt-get clean && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /data && chown 10001:10001 /data
COPY --from=build /collected /usr/local/lib
RUN ldconfig
COPY --from=dotnet /usr/share/dotnet /usr/share/dotnet
COPY --from=build /opt/linformer /opt/linformer
COPY --chmod=755 deploy/docker/healthcheck.sh /usr/local/bin/healthcheck
# The NVIDIA runtime mounts the driver's libraries for what is named here: computing, and NVML for what the agent reports.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
# Diagnostics would open sockets in /tmp; nothing else writes outside of /data and /tmp.
ENV DOTNET_EnableDiagnostics=0 LINFORMER_DATA=/data
USER 10001:10001
VOLUME ["/data", "/tmp"]
EXPOSE 7072
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["healthcheck", "/healthz"]
ENTRYPOINT ["/opt/linformer/linformer"]
CMD ["worker", "--data=/data", "--device=cuda", "--health=*:7072"]
