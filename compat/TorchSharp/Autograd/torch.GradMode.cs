using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    public static IDisposable no_grad() => new GradMode(false);

    public static IDisposable enable_grad(bool enabled = true) => new GradMode(enabled);

    public static IDisposable set_grad_enabled(bool mode = true) => new GradMode(mode);

    public static bool is_grad_enabled() => NativeMethods.tb_grad_enabled() != 0;

    public static IDisposable inference_mode(bool mode = true) => new InferenceMode(mode);

    public static bool is_inference_mode_enabled() => NativeMethods.tb_inference_enabled() != 0;

    /// <summary>Sets the calling thread's mode until it is disposed.</summary>
    private sealed class GradMode : IDisposable
    {
        private readonly bool _before = is_grad_enabled();

        public GradMode(bool enabled) => NativeMethods.tb_set_grad_enabled(enabled ? 1 : 0);

        public void Dispose() => NativeMethods.tb_set_grad_enabled(_before ? 1 : 0);
    }

    /// <summary>Sets the calling thread's mode until it is disposed.</summary>
    private sealed class InferenceMode(bool mode) : IDisposable
    {
        private nint _guard = NativeMethods.tb_inference_guard(mode ? 1 : 0);

        public void Dispose()
        {
            if (_guard != 0)
            {
                NativeMethods.tb_inference_guard_free(_guard);
                _guard = 0;
            }
        }
    }
}
