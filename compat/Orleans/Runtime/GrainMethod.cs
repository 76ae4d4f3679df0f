using System.Collections.Concurrent;
using System.Reflection;
using Orleans.Concurrency;
using Orleans.Serialization;

namespace Orleans.Runtime;

/// <summary>The methods of a grain interface. Describing it fails when a parameter has a type that cannot be copied.</summary>
internal sealed class GrainInterface
{
    private static readonly ConcurrentDictionary<Type, GrainInterface> Known = new();
    private readonly Dictionary<MethodInfo, GrainMethod> _methods = [];

    private GrainInterface(Type type)
    {
        Type = type;
        var methods = type.GetInterfaces().Append(type).Where(part => typeof(IAddressable).IsAssignableFrom(part))
            .SelectMany(part => part.GetMethods()).Where(method => !method.IsStatic);
        foreach (var method in methods)
        {
            _methods.Add(method, GrainMethod.Create(method));
        }
    }

    public Type Type { get; }

    public static GrainInterface Get(Type type) => Known.GetOrAdd(type, static key => new GrainInterface(key));

    public GrainMethod GetMethod(MethodInfo method) => _methods[method];
}

/// <summary>A method of a grain interface: copies what goes in and out, calls it, and makes the caller's task.</summary>
internal abstract class GrainMethod
{
    private readonly MethodInfo _method;
    private readonly Copier?[] _copiers;
    private readonly int _token;

    protected GrainMethod(MethodInfo method)
    {
        _method = method;
        var parameters = method.GetParameters();
        _copiers = [.. parameters.Select(parameter =>
            parameter.IsDefined(typeof(ImmutableAttribute)) ? null : Copier.Get(parameter.ParameterType))];
        _token = Array.FindIndex(parameters, parameter => parameter.ParameterType == typeof(CancellationToken));
        AlwaysInterleaves = method.IsDefined(typeof(AlwaysInterleaveAttribute));
        ResponseTimeout = method.GetCustomAttribute<ResponseTimeoutAttribute>()?.Timeout;
    }

    public string Name => $"{_method.DeclaringType!.Name}.{_method.Name}";

    public bool AlwaysInterleaves { get; }

    public TimeSpan? ResponseTimeout { get; }

    public static GrainMethod Create(MethodInfo method)
    {
        var type = method.ReturnType;
        var definition = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
        if (definition == typeof(Task))
        {
            return new OfTask(method);
        }

        if (definition == typeof(ValueTask))
        {
            return new OfValueTask(method);
        }

        var made = definition == typeof(Task<>) ? typeof(OfTask<>) : definition == typeof(ValueTask<>) ? typeof(OfValueTask<>)
            : throw new NotSupportedException($"{method.DeclaringType}.{method.Name} returns {type}; a grain's method returns Task or ValueTask, with or without a result.");
        return (GrainMethod)Activator.CreateInstance(
            made.MakeGenericType(type.GetGenericArguments()), BindingFlags.Instance | BindingFlags.Public | BindingFlags.DoNotWrapExceptions, null, [method], null)!;
    }

    public CancellationToken GetToken(object?[] arguments) => _token < 0 ? CancellationToken.None : (CancellationToken)arguments[_token]!;

    public object?[] CopyArguments(object?[] arguments)
    {
        var context = new CopyContext();
        var copies = new object?[arguments.Length];
        for (var i = 0; i < arguments.Length; i++)
        {
            copies[i] = _copiers[i] is { } copier ? copier.Copy(arguments[i], context) : arguments[i];
        }

        return copies;
    }

    public Func<object, CancellationToken, Task<object?>> Bind(object?[] arguments) => (grain, token) =>
    {
        if (_token >= 0)
        {
            arguments[_token] = token;
        }

        return AwaitAsync(_method.Invoke(grain, BindingFlags.DoNotWrapExceptions, binder: null, arguments, culture: null)!);
    };

    public abstract object Return(Request request);

    /// <summary>Awaits what the grain's method returned, on the grain's scheduler, and copies the result.</summary>
    protected abstract Task<object?> AwaitAsync(object returned);

    private static async Task ReturnAsync(Request request) => await request.Completion.ConfigureAwait(false);

    private static async Task<T> ReturnAsync<T>(Request request) => (T)(await request.Completion.ConfigureAwait(false))!;

    private static object? CopyResult<T>(T result) => Copier.Get(typeof(T)).Copy(result, new CopyContext());

    private sealed class OfTask(MethodInfo method) : GrainMethod(method)
    {
        public override object Return(Request request) => ReturnAsync(request);

        protected override async Task<object?> AwaitAsync(object returned)
        {
            await (Task)returned;
            return null;
        }
    }

    private sealed class OfTask<T>(MethodInfo method) : GrainMethod(method)
    {
        public override object Return(Request request) => ReturnAsync<T>(request);

        protected override async Task<object?> AwaitAsync(object returned) => CopyResult(await (Task<T>)returned);
    }

    private sealed class OfValueTask(MethodInfo method) : GrainMethod(method)
    {
        public override object Return(Request request) => new ValueTask(ReturnAsync(request));

        protected override async Task<object?> AwaitAsync(object returned)
        {
            await (ValueTask)returned;
            return null;
        }
    }

    private sealed class OfValueTask<T>(MethodInfo method) : GrainMethod(method)
    {
        public override object Return(Request request) => new ValueTask<T>(ReturnAsync<T>(request));

        protected override async Task<object?> AwaitAsync(object returned) => CopyResult(await (ValueTask<T>)returned);
    }
}
