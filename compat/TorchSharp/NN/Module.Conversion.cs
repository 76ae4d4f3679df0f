using System.Reflection;
using TorchSharp.Modules;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        // Other types and devices.
        public partial class Module
        {
            /// <summary>Replaces parameters and buffers that have another type or device by converted ones.</summary>
            internal void Convert(ScalarType? dtype, Device? device)
            {
                if (dtype is { } type && !is_floating_point(type) && !is_complex(type))
                {
                    throw new ArgumentException(
                        $"nn.Module.to only accepts floating point or complex types, but got desired dtype={type}");
                }
                if (device?.type == DeviceType.CUDA && !cuda.is_available())
                {
                    throw new InvalidOperationException("CUDA is not available.");
                }
                foreach (var module in children())
                {
                    module.Convert(dtype, device);
                }
                foreach (var (key, parameter) in named_parameters(false).ToList())
                {
                    ConvertParameter(key, parameter, dtype, device);
                }
                foreach (var (key, buffer) in named_buffers(false).ToList())
                {
                    if (Changes(buffer, dtype, device))
                    {
                        var converted = buffer.to(Converted(buffer, dtype), device ?? buffer.device,
                            disposeAfter: true).DetachFromDisposeScope();
                        _buffers[key] = (converted, true);
                        SetField(key, converted);
                    }
                }
            }

            private static bool Changes(Tensor tensor, ScalarType? dtype, Device? device) =>
                (dtype ?? tensor.dtype) != tensor.dtype || (device ?? tensor.device).type != tensor.device_type;

            private static ScalarType Converted(Tensor tensor, ScalarType? dtype) =>
                tensor.is_floating_point() || tensor.is_complex() ? dtype ?? tensor.dtype : tensor.dtype;

            private void ConvertParameter(string key, Parameter parameter, ScalarType? dtype, Device? device)
            {
                using var grad = parameter.grad;
                if (!Changes(parameter, dtype, device) && (grad is null || !Changes(grad, dtype, device)))
                {
                    return;
                }
                using var noGrad = no_grad();
                var type = Converted(parameter, dtype);
                var converted = new Parameter(
                    parameter.to(type, device ?? parameter.device), parameter.requires_grad);
                converted.DetachFromDisposeScope();
                if (grad is not null)
                {
                    using var convertedGrad = grad.to(type, device ?? parameter.device);
                    converted.grad = convertedGrad;
                }
                parameter.Dispose();
                _parameters[key] = converted;
                SetField(key, converted);
            }

            private void SetField(string key, Tensor value)
            {
                if (Fields().FirstOrDefault(field => ComponentName(field) == key) is { } field)
                {
                    field.SetValue(this, value);
                }
                else if (GetType().GetProperty(key, BindingFlags.Public | BindingFlags.Instance) is { CanWrite: true } property)
                {
                    property.SetValue(this, value);
                }
            }
        }
    }
}
