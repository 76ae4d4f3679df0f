using System.Collections.Concurrent;
using System.Collections.Specialized;
using System.Globalization;
using System.Net;
using System.Numerics;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Orleans.Serialization;

/// <summary>The copies made so far of one call's values, so that shared and cyclic references stay what they are.</summary>
internal sealed class CopyContext
{
    public Dictionary<object, object> Copies { get; } = new(ReferenceEqualityComparer.Instance);
}

/// <summary>Copies values of one type as the real package does between the grains of one silo.</summary>
internal abstract class Copier
{
    private static readonly HashSet<Type> Immutable =
    [
        typeof(string), typeof(decimal), typeof(DateTime), typeof(DateTimeOffset), typeof(DateOnly), typeof(TimeOnly), typeof(TimeSpan),
        typeof(Guid), typeof(Uri), typeof(Version), typeof(CancellationToken), typeof(IPAddress), typeof(IPEndPoint), typeof(BigInteger),
        typeof(Half), typeof(Int128), typeof(UInt128), typeof(CultureInfo), typeof(CompareInfo), typeof(BitVector32),
    ];

    private static readonly ConcurrentDictionary<Type, Copier> Known = new();

    /// <summary>Types whose copier is being made: a type may contain itself.</summary>
    [ThreadStatic]
    private static HashSet<Type>? s_making;

    /// <summary>Whether a copy is the value itself.</summary>
    public virtual bool IsShallow => false;

    /// <summary>The copier of a type; throws <see cref="CodecNotFoundException"/> when values of it cannot be sent.</summary>
    public static Copier Get(Type type)
    {
        if (Known.TryGetValue(type, out var known))
        {
            return known;
        }

        s_making ??= [];
        if (!s_making.Add(type))
        {
            return new LazyCopier(type);
        }

        try
        {
            return Known.GetOrAdd(type, Make(type) ?? throw new CodecNotFoundException($"Could not find a copier for type {type}."));
        }
        finally
        {
            s_making.Remove(type);
        }
    }

    public static Copier? TryGet(Type type)
    {
        try
        {
            return Get(type);
        }
        catch (CodecNotFoundException)
        {
            return null;
        }
    }

    public static object CreateInstance(Type type) =>
        type.IsValueType || type.GetConstructor(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic, []) is { IsPrivate: false }
            ? Activator.CreateInstance(type, nonPublic: true)!
            : RuntimeHelpers.GetUninitializedObject(type);

    public abstract object? Copy(object? value, CopyContext context);

    private static Copier? Make(Type type)
    {
        if (type.IsPointer || type.IsByRef)
        {
            throw new NotSupportedException($"Type {type} is a pointer or by-ref type and is therefore not supported.");
        }

        if (type.IsInterface && typeof(Runtime.IAddressable).IsAssignableFrom(type))
        {
            return new ReferenceCopier(type);
        }

        // Values of these are copied as what they are at run time.
        if (type == typeof(object) || type.IsInterface || (type.IsAbstract && !typeof(Exception).IsAssignableFrom(type) && type != typeof(Type)))
        {
            return CollectionCopiers.MakeOfInterface(type) ?? new RuntimeTypeCopier();
        }

        if (typeof(Runtime.GrainProxy).IsAssignableFrom(type))
        {
            return new ShallowCopier();
        }

        if (type.IsDefined(typeof(GenerateSerializerAttribute), inherit: false) && !type.IsEnum && !typeof(Exception).IsAssignableFrom(type)
            && !type.IsDefined(typeof(ImmutableAttribute), inherit: false))
        {
            return new MemberCopier(type);
        }

        if (IsShallowType(type))
        {
            return new ShallowCopier();
        }

        return CollectionCopiers.Make(type);
    }

    private static bool IsShallowType(Type type)
    {
        if (type.IsPrimitive || type.IsEnum || Immutable.Contains(type) || type.IsDefined(typeof(ImmutableAttribute), inherit: false)
            || typeof(Exception).IsAssignableFrom(type) || typeof(Type).IsAssignableFrom(type))
        {
            return true;
        }

        if (type.IsGenericType && (type.GetGenericTypeDefinition() == typeof(Nullable<>) || typeof(ITuple).IsAssignableFrom(type)))
        {
            return Array.TrueForAll(type.GetGenericArguments(), IsShallowType);
        }

        return type.IsValueType
            && Array.TrueForAll(
                type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic), field => IsShallowType(field.FieldType));
    }

    private sealed class ShallowCopier : Copier
    {
        public override bool IsShallow => true;

        public override object? Copy(object? value, CopyContext context) => value;
    }

    /// <summary>Of a grain interface, references go as they are; a grain that passes itself becomes a reference.</summary>
    private sealed class ReferenceCopier(Type type) : Copier
    {
        public override object? Copy(object? value, CopyContext context) => value is IGrainBase { GrainContext: Runtime.Activation activation }
            ? activation.Silo.CreateReference(type, activation.GrainId)
            : value;
    }

    private sealed class RuntimeTypeCopier : Copier
    {
        public override object? Copy(object? value, CopyContext context) =>
            value is null || value.GetType() == typeof(object) ? value : Get(value.GetType()).Copy(value, context);
    }

    private sealed class LazyCopier(Type type) : Copier
    {
        public override object? Copy(object? value, CopyContext context) => Get(type).Copy(value, context);
    }
}
