using System.Reflection;
using TorchSharp.Modules;
using TorchSharp.Utils;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>Base of all networks: a tree of modules with named parameters and buffers.</summary>
        public partial class Module : IDisposable
        {
            protected string? name;

            private readonly OrderedDictionary<string, Module> _modules = [];
            private readonly OrderedDictionary<string, (Tensor Tensor, bool Persistent)> _buffers = [];
            private readonly OrderedDictionary<string, Parameter> _parameters = [];
            private bool _registered;
            private bool _disposed;
            private bool _training = true;

            protected Module(string name) => this.name = name;

            ~Module() => Dispose(false);

            public virtual bool training => _training;

            public void Dispose()
            {
                Dispose(true);
                GC.SuppressFinalize(this);
            }

            public virtual Module apply(Action<Module> fn)
            {
                foreach (var module in _modules.Values)
                {
                    module.apply(fn);
                }
                fn(this);
                return this;
            }

            public virtual void train(bool train = true)
            {
                _training = train;
                foreach (var module in children())
                {
                    module.train(train);
                }
            }

            public virtual void eval() => train(false);

            public virtual void zero_grad(bool set_to_none = true)
            {
                foreach (var parameter in parameters())
                {
                    using var grad = parameter.grad;
                    if (grad is null)
                    {
                        continue;
                    }
                    if (set_to_none)
                    {
                        parameter.grad = null;
                    }
                    else
                    {
                        grad.zero_();
                    }
                }
            }

            public virtual string GetName() => name ?? "";

            /// <summary>Disposes the parameters, the buffers and the modules inside, whatever scope owns them.</summary>
            protected virtual void Dispose(bool disposing)
            {
                if (!disposing || _disposed)
                {
                    return;
                }
                _disposed = true;
                foreach (var (_, buffer) in named_buffers(false).ToList())
                {
                    buffer.DetachFromDisposeScope().Dispose();
                }
                foreach (var (_, parameter) in named_parameters(false).ToList())
                {
                    parameter.DetachFromDisposeScope().Dispose();
                }
                foreach (var (_, module) in named_modules().ToList())
                {
                    module.Dispose();
                }
            }

            /// <summary>
            /// Registers the fields that hold modules, parameters or other tensors (as buffers) under their names.
            /// To be called at the end of the constructor.
            /// </summary>
            protected virtual void RegisterComponents()
            {
                if (_registered)
                {
                    return;
                }
                foreach (var field in Fields())
                {
                    string key = ComponentName(field);
                    if (_modules.ContainsKey(key) || _parameters.ContainsKey(key) || _buffers.ContainsKey(key))
                    {
                        continue;
                    }
                    switch (field.GetValue(this))
                    {
                        case Module module:
                            register_module(key, module);
                            break;
                        case Parameter parameter:
                            register_parameter(key, parameter);
                            break;
                        case Tensor tensor:
                            register_buffer(key, tensor);
                            break;
                    }
                }
                _registered = true;
            }

            private static string ComponentName(FieldInfo field) =>
                field.GetCustomAttribute<ComponentNameAttribute>()?.Name ?? field.Name;

            /// <summary>The fields of all classes from this one down to the base, the first of each name.</summary>
            private IEnumerable<FieldInfo> Fields()
            {
                const BindingFlags Instance = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance;
                var seen = new HashSet<string>();
                for (var type = GetType(); type is not null && type != typeof(object); type = type.BaseType)
                {
                    foreach (var field in type.GetFields(Instance))
                    {
                        if (seen.Add(field.Name))
                        {
                            yield return field;
                        }
                    }
                }
            }
        }
    }
}
